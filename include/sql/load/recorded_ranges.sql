select
    source_id,
    first_position,
    next_position,
    kind
from {{ ledger | identifier }}
where
    source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
    and first_position < {{ bind(next) }}
    and next_position >= {{ bind(reach) }}
    and kind in ('load', 'gap', 'unload_intent')

select count(*)
from {{ rejects | identifier }}
where
    source_id = {{ bind(source_id) }}
    and record_position >= {{ bind(first) }}
    and record_position < {{ bind(next) }}

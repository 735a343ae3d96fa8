select
    min(event_date) as date_from,
    max(event_date) as date_to,
    bool_or(event_date is null) as has_undated
from {{ removals | identifier }}
where removal_id = {{ bind(removal_id) }}

-- What the ledger says, newest first.
select
    finished_at,
    kind,
    source,
    contract,
    first_position,
    next_position,
    records_read,
    rows_loaded,
    rejects,
    load_id,
    source_id,
    run,
    actor,
    reason,
    started_at,
    records_removed
from {{ ledger | identifier }}
where
    ({{ bind(contract) }} is null or contract = {{ bind(contract) }})
    and ({{ bind(kind) }} is null or kind = {{ bind(kind) }})
    and (
        cast({{ bind(from_time) }} as timestamp(6)) is null
        or coalesce(finished_at, started_at) >= {{ bind(from_time) }}
    )
    and (
        cast({{ bind(to_time) }} as timestamp(6)) is null
        or coalesce(finished_at, started_at) < {{ bind(to_time) }}
    )
order by coalesce(finished_at, started_at) desc, source asc, first_position desc
limit {{ bind(most) }}

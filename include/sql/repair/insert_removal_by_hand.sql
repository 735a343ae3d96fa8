insert into {{ ledger | identifier }} (
    kind,
    source,
    target,
    records_read,
    rows_loaded,
    rejects,
    attempt,
    run,
    started_at,
    finished_at,
    actor,
    reason,
    records_removed
)
values (
    {{ bind(kind) }},
    'rows written by hand',
    {{ bind(target) }},
    0,
    0,
    0,
    {{ bind(removal_id) }},
    {{ bind(run) }},
    {{ bind(started_at) }},
    {{ bind(finished_at) }},
    {{ bind(actor) }},
    {{ bind(reason) }},
    {{ bind(records_removed) }}
)

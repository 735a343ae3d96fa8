insert into {{ ledger | identifier }} (
    kind, source_id, first_position, next_position, load_id, source_kind, source, target, contract,
    records_read, rows_loaded, rejects, started_at, finished_at
) values (
    'load',
    {{ bind(source_id) }},
    {{ bind(place) }},
    {{ bind(place) }} + 1,
    {{ bind(load) }},
    'partition',
    'kafka://aged/0',
    {{ bind(target) }},
    'bench',
    1,
    1,
    0,
    {{ bind(moment) }},
    {{ bind(moment) }}
)

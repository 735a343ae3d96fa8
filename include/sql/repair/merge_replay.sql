-- What a replay did. Silver and gold follow this row. The rows are counted where they are.
merge into {{ ledger | identifier }} as ledger
using (
    select
        sources.source_id,
        sources.source_kind,
        sources.source,
        sources.identity,
        {{ bind(load_id) }} as load_id,
        (
            select count(*)
            from {{ bronze | identifier }}
            where
                _source_id = {{ bind(source_id) }}
                and _position >= {{ bind(first) }}
                and _position < {{ bind(next) }}
                and _load_id = {{ bind(load_id) }}
        ) as rows_loaded,
        (
            select array_agg(distinct cast(row(event_date, service) as row(event_date date, service varchar)))
            from {{ bronze | identifier }}
            where
                _source_id = {{ bind(source_id) }}
                and _position >= {{ bind(first) }}
                and _position < {{ bind(next) }}
                and _load_id = {{ bind(load_id) }}
        ) as touched
    from {{ sources | identifier }} as sources
    where sources.source_id = {{ bind(source_id) }}
) as replayed
    on
        ledger.source_id between {{ bind(source_id) }} and {{ bind(source_id) }}
        and ledger.first_position < {{ bind(next) }}
        and ledger.next_position > {{ bind(first) }}
        and ledger.kind = 'replay'
        and ledger.source_id = replayed.source_id
        and ledger.load_id = replayed.load_id
when not matched then insert (
    kind,
    source_id,
    first_position,
    next_position,
    load_id,
    source_kind,
    source,
    identity,
    target,
    contract,
    contract_fingerprint,
    records_read,
    rows_loaded,
    rejects,
    touched,
    attempt,
    query_id,
    run,
    started_at,
    finished_at,
    actor,
    reason
) values (
    'replay',
    replayed.source_id,
    {{ bind(first) }},
    {{ bind(next) }},
    replayed.load_id,
    replayed.source_kind,
    replayed.source,
    replayed.identity,
    {{ bind(target) }},
    {{ bind(contract) }},
    {{ bind(contract_fingerprint) }},
    {{ bind(records_read) }},
    replayed.rows_loaded,
    {{ bind(records_read) }} - replayed.rows_loaded,
    coalesce(replayed.touched, cast(array[] as array(row(event_date date, service varchar)))),
    {{ bind(attempt) }},
    {{ bind(query_id) }},
    {{ bind(run) }},
    {{ bind(started_at) }},
    {{ bind(finished_at) }},
    {{ bind(actor) }},
    {{ bind(reason) }}
)

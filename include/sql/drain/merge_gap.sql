-- A range that the broker no longer holds. What an attempt that died had merged of it counts as read.
merge into {{ ledger | identifier }} as ledger
using (
    select
        {{ bind(source_id) }} as source_id,
        (
            select count(*)
            from {{ bronze | identifier }}
            where
                _source_id = {{ bind(source_id) }}
                and _position >= {{ bind(first) }}
                and _position < {{ bind(next) }}
        ) as rows_loaded,
        (
            select count(*)
            from iceberg.bronze.open_rejects
            where
                source_id = {{ bind(source_id) }}
                and record_position >= {{ bind(first) }}
                and record_position < {{ bind(next) }}
        ) as rejects,
        (
            select array_agg(distinct cast(row(event_date, service) as row(event_date date, service varchar)))
            from {{ bronze | identifier }}
            where
                _source_id = {{ bind(source_id) }}
                and _position >= {{ bind(first) }}
                and _position < {{ bind(next) }}
        ) as touched
) as missing
    on
        ledger.source_id between {{ bind(source_id) }} and {{ bind(source_id) }}
        and ledger.first_position < {{ bind(next) }}
        and ledger.next_position > {{ bind(first) }}
        and ledger.kind in ('load', 'gap', 'unload_intent')
        and ledger.source_id = missing.source_id
when not matched then insert (
    kind,
    source_id,
    first_position,
    next_position,
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
    run,
    started_at,
    finished_at,
    actor,
    reason
) values (
    'gap',
    missing.source_id,
    {{ bind(first) }},
    {{ bind(next) }},
    'partition',
    {{ bind(source) }},
    {{ bind(identity) }},
    {{ bind(target) }},
    {{ bind(contract) }},
    {{ bind(contract_fingerprint) }},
    missing.rows_loaded + missing.rejects,
    missing.rows_loaded,
    missing.rejects,
    coalesce(missing.touched, cast(array[] as array(row(event_date date, service varchar)))),
    {{ bind(run) }},
    {{ bind(finished_at) }},
    {{ bind(finished_at) }},
    {{ bind(actor) }},
    {{ bind(reason) }}
)

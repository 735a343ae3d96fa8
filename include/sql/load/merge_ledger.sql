merge into {{ ledger | identifier }} as ledger
using (
    select *
    from unnest(
        cast(
            json_parse({{ bind(loads) }}) as array(
                row(
                    source_id varchar,
                    first_position bigint,
                    next_position bigint,
                    end_position bigint,
                    load_id varchar,
                    source_kind varchar,
                    source varchar,
                    identity varchar,
                    records_read bigint,
                    rows_loaded bigint,
                    rejects bigint,
                    source_bytes bigint,
                    touched array(row(event_date varchar, service varchar)),
                    unknown_columns map(varchar, bigint)
                )
            )
        )
    )
) as committed
    on
        ledger.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and ledger.first_position < {{ bind(next) }}
        and ledger.next_position >= {{ bind(reach) }}
        and ledger.kind in ('load', 'gap', 'unload_intent')
        and ledger.source_id = committed.source_id
        and (
            (ledger.first_position < committed.next_position and ledger.next_position > committed.first_position)
            -- an empty source is the empty range [0, 0), which overlaps only itself
            or (
                ledger.first_position = committed.first_position
                and ledger.next_position = committed.next_position
            )
        )
when not matched then insert (
    kind,
    source_id,
    first_position,
    next_position,
    end_position,
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
    source_bytes,
    touched,
    unknown_columns,
    attempt,
    query_id,
    run,
    started_at,
    finished_at
) values (
    'load',
    committed.source_id,
    committed.first_position,
    committed.next_position,
    committed.end_position,
    committed.load_id,
    committed.source_kind,
    committed.source,
    committed.identity,
    {{ bind(target) }},
    {{ bind(contract) }},
    {{ bind(contract_fingerprint) }},
    committed.records_read,
    committed.rows_loaded,
    committed.rejects,
    committed.source_bytes,
    transform(
        committed.touched,
        pair -> cast(row(cast(pair.event_date as date), pair.service) as row(event_date date, service varchar))
    ),
    committed.unknown_columns,
    {{ bind(attempt) }},
    {{ bind(query_id) }},
    {{ bind(run) }},
    {{ bind(started_at) }},
    {{ bind(finished_at) }}
)

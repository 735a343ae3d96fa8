-- Where reading a partition begins is recorded once, as an empty range: whoever comes second finds it.
merge into {{ ledger | identifier }} as ledger
using (
    select *
    from unnest(
        cast(
            json_parse({{ bind(starts) }}) as array(
                row(
                    source_id varchar,
                    first_position bigint,
                    next_position bigint,
                    source varchar,
                    identity varchar,
                    reason varchar
                )
            )
        )
    )
) as started
    on
        ledger.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and ledger.kind in ('load', 'gap')
        and ledger.source_id = started.source_id
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
    reason
) values (
    'load',
    started.source_id,
    started.first_position,
    started.next_position,
    'partition',
    started.source,
    started.identity,
    {{ bind(target) }},
    {{ bind(contract) }},
    {{ bind(contract_fingerprint) }},
    0,
    0,
    0,
    cast(array[] as array(row(event_date date, service varchar))),
    {{ bind(run) }},
    {{ bind(finished_at) }},
    {{ bind(finished_at) }},
    started.reason
)

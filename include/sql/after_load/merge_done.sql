-- What was done with objects after their load, once for each. Without a target: silver takes nothing from it.
merge into {{ ledger | identifier }} as ledger
using (
    select *
    from unnest(
        cast(
            json_parse({{ bind(done) }}) as array(
                row(source_id varchar, source varchar, identity varchar, reason varchar)
            )
        )
    )
) as done
    on
        ledger.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and ledger.kind = {{ bind(kind) }}
        and ledger.source_id = done.source_id
when not matched then insert (
    kind,
    source_id,
    first_position,
    next_position,
    source_kind,
    source,
    identity,
    contract,
    records_read,
    rows_loaded,
    rejects,
    run,
    started_at,
    finished_at,
    actor,
    reason
) values (
    {{ bind(kind) }},
    done.source_id,
    0,
    0,
    'object',
    done.source,
    done.identity,
    {{ bind(contract) }},
    0,
    0,
    0,
    {{ bind(run) }},
    {{ bind(started_at) }},
    {{ bind(finished_at) }},
    {{ bind(actor) }},
    done.reason
)

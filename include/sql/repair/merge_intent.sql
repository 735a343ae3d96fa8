-- From now on nothing may be loaded in this range: the pin is that of a load's commit record, so the two conflict.
merge into {{ ledger | identifier }} as ledger
using (
    select
        {{ bind(source_id) }} as source_id,
        transform(
            cast(json_parse({{ bind(touched) }}) as array(row(event_date varchar, service varchar))),
            pair -> cast(row(cast(pair.event_date as date), pair.service) as row(event_date date, service varchar))
        ) as touched
    where
        -- a load that lies only partly in the range would be cut in two
        (
            select count(*)
            from {{ ledger | identifier }}
            where
                source_id = {{ bind(source_id) }}
                and kind in ('load', 'gap')
                and first_position < {{ bind(next) }}
                and next_position > {{ bind(first) }}
                and (first_position < {{ bind(first) }} or next_position > {{ bind(next) }})
        ) = 0
) as intended
    on
        ledger.source_id between {{ bind(source_id) }} and {{ bind(source_id) }}
        and ledger.first_position < {{ bind(next) }}
        and ledger.next_position > {{ bind(first) }}
        and ledger.kind in ('load', 'gap', 'unload_intent')
        -- not an equality, which would narrow the pin: commit records of loads must conflict with this
        and regexp_like(ledger.kind, '^unload')
        and ledger.source_id = intended.source_id
        and ledger.first_position <= {{ bind(first) }}
        and ledger.next_position >= {{ bind(next) }}
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
    records_read,
    rows_loaded,
    rejects,
    touched,
    attempt,
    run,
    started_at,
    actor,
    reason
) values (
    'unload_intent',
    intended.source_id,
    {{ bind(first) }},
    {{ bind(next) }},
    {{ bind(source_kind) }},
    {{ bind(source) }},
    {{ bind(identity) }},
    {{ bind(target) }},
    {{ bind(contract) }},
    0,
    0,
    0,
    intended.touched,
    {{ bind(attempt) }},
    {{ bind(run) }},
    {{ bind(started_at) }},
    {{ bind(actor) }},
    {{ bind(reason) }}
)

-- Whoever comes second with a step finds it there: of two checks at once, one opens a condition and one tells it.
merge into {{ checks | identifier }} as checks
using (
    select *
    from unnest(
        cast(
            json_parse({{ bind(steps) }}) as array(
                row(
                    condition_key varchar,
                    kind varchar,
                    source varchar,
                    episode bigint,
                    change varchar,
                    step varchar,
                    turn bigint,
                    opened_at varchar,
                    cleared_at varchar,
                    since varchar,
                    detail varchar,
                    runbook varchar,
                    link varchar
                )
            )
        )
    )
) as made
    on
        checks.condition_key between {{ bind(key_from) }} and {{ bind(key_to) }}
        and checks.condition_key = made.condition_key
        and checks.episode = made.episode
        and checks.change = made.change
        and checks.step = made.step
        and checks.turn = made.turn
when not matched then insert (
    condition_key,
    kind,
    source,
    episode,
    change,
    step,
    turn,
    opened_at,
    cleared_at,
    since,
    detail,
    runbook,
    link,
    check_id,
    run,
    recorded_at
) values (
    made.condition_key,
    made.kind,
    made.source,
    made.episode,
    made.change,
    made.step,
    made.turn,
    cast(made.opened_at as timestamp(6)),
    cast(made.cleared_at as timestamp(6)),
    cast(made.since as timestamp(6)),
    made.detail,
    made.runbook,
    made.link,
    {{ bind(check_id) }},
    {{ bind(run) }},
    {{ bind(recorded_at) }}
)

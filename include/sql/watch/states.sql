with changes as (
    select
        condition_key,
        kind,
        source,
        episode,
        change,
        max(opened_at) as opened_at,
        max(cleared_at) as cleared_at,
        max(since) as since,
        max(detail) as detail,
        max(runbook) as runbook,
        max(link) as link,
        max(turn) as turn,
        max_by(check_id, turn) filter (where step <> 'told') as held_by,
        max_by(recorded_at, turn) filter (where step <> 'told') as held_at,
        count_if(step = 'told') > 0 as is_told
    from {{ checks | identifier }}
    group by condition_key, kind, source, episode, change
),

numbered as (
    select
        *,
        max(episode) over (partition by condition_key) as newest_episode
    from changes
)

select
    condition_key,
    kind,
    source,
    episode,
    change,
    opened_at,
    cleared_at,
    since,
    detail,
    runbook,
    link,
    turn,
    held_by,
    held_at,
    is_told
from numbered
where episode = newest_episode or not is_told

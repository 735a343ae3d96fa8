create or replace view iceberg.bronze.open_conditions -- noqa: PRS
comment 'What is the matter with the platform now, as the newest check found it' as
with episodes as (
    select
        condition_key,
        kind,
        source,
        episode,
        max(opened_at) as opened_at,
        max(since) filter (where change = 'opened') as since,
        max(detail) filter (where change = 'opened') as detail,
        max(runbook) as runbook,
        max(link) as link,
        count_if(change = 'opened' and step = 'told') > 0 as is_told,
        count_if(change = 'cleared') > 0 as is_cleared
    from iceberg.bronze.checks
    where change in ('opened', 'cleared')
    group by condition_key, kind, source, episode
)

select
    condition_key,
    kind,
    source,
    episode,
    opened_at,
    since,
    detail,
    runbook,
    link,
    is_told
from episodes
where not is_cleared

select
    tenant_id,
    sum(submitted_events) as submitted,
    sum(assigned_events) as assigned,
    sum(resolved_events) as resolved,
    sum(closed_events) as closed,
    sum(reopened_events) as reopened,
    sum(rejected_events) as rejected
from iceberg.gold.gold_pgr_funnel_daily
where metric_date between cast({{ bind(first_day) }} as date) and cast({{ bind(last_day) }} as date)
group by tenant_id
order by tenant_id asc

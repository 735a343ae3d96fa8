-- What gold says of the cases of some sources. What only the clock knows is told for a moment of its own.
with listed as (
    select sources.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as sources (source_id)
),

sent as (
    select distinct
        bronze.tenant_id,
        bronze.entity_id as complaint_id
    from iceberg.bronze.service_events_raw as bronze
    inner join listed on bronze._source_id = listed.source_id
),

cases as (
    select
        lifecycle.*,
        lifecycle.sla_due_time < cast({{ bind(as_of) }} as timestamp(6)) as is_due
    from iceberg.gold.gold_pgr_case_lifecycle as lifecycle
    inner join sent
        on
            lifecycle.tenant_id = sent.tenant_id
            and lifecycle.complaint_id = sent.complaint_id
)

select
    count(*) as cases,
    count_if(is_open) as open,
    count_if(assigned_time is not null) as assigned,
    count_if(resolved_time is not null) as resolved,
    count_if(rejected_time is not null) as rejected,
    count_if(reopen_count > 0) as reopened,
    count_if(reassign_count > 0) as reassigned,
    count_if(escalation_count > 0) as escalated,
    count_if(resolved_time > sla_due_time) as resolved_late,
    count_if(final_resolved_time > sla_due_time) as finally_resolved_late,
    count_if(is_open and is_due) as open_overdue,
    count_if(resolved_time > sla_due_time or (resolved_time is null and is_open and is_due)) as breached
from cases

with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
    where submitted_date is not null
),

counted as (
    select
        tenant_id,
        tenant_root,
        submitted_date as metric_date,

        ---------- counts
        count(*) as total_complaints,
        count_if({{ is_resolved() }}) as resolved_complaints,
        count_if(last_status = 'REJECTED') as rejected_complaints,
        count_if(starts_with(last_status, 'CLOSED')) as closed_complaints,
        count_if(is_open) as open_complaints,
        count_if(not is_open and last_status <> 'CANCELLED') as completed_complaints,
        count_if({{ is_resolved() }} and not breach_flag) as on_time_complaints,
        count_if(breach_flag) as breached_complaints,
        count_if(final_breach_flag) as finally_breached_complaints,
        count_if(is_overdue) as overdue_complaints,
        count_if(resolved_time is not null) as ever_resolved_complaints,
        count_if(resolved_time is not null and reopen_count > 0) as reopened_complaints,
        count_if(escalation_count > 0) as escalated_complaints,
        count_if(assignment_count > 0) as assigned_complaints,
        count_if(assignment_count = 1) as once_assigned_complaints,
        count_if({{ is_resolved() }} and has_rating) as rated_complaints,
        count_if(rating <= 2) as badly_rated_complaints,

        ---------- open complaints by age and by what is left of their time
        count_if(ageing_bucket = '<1d') as open_under_1d,
        count_if(ageing_bucket = '1-3d') as open_1d_to_3d,
        count_if(ageing_bucket = '3-7d') as open_3d_to_7d,
        count_if(ageing_bucket = '>7d') as open_over_7d,
        count_if(sla_bucket = 'within') as open_within_sla,
        count_if(sla_bucket = 'approaching') as open_approaching_sla,
        count_if(sla_bucket = 'breached') as open_breached_sla,

        ---------- times and ratings
        avg(t_submit_to_resolve_hours) as avg_resolution_hours,
        array_sort(array_agg(t_submit_to_resolve_hours) filter (where t_submit_to_resolve_hours is not null))
            as resolution_hours,
        array_sort(array_agg(t_submit_to_assign_hours) filter (where t_submit_to_assign_hours is not null))
            as assignment_hours,
        avg(if({{ is_resolved() }}, cast(rating as double))) as csat,
        max(as_of) as as_of
    from cases
    group by tenant_id, tenant_root, submitted_date
),

final as (
    select
        tenant_id,
        tenant_root,
        metric_date,
        total_complaints,
        resolved_complaints,
        rejected_complaints,
        closed_complaints,
        open_complaints,
        completed_complaints,
        on_time_complaints,
        breached_complaints,
        finally_breached_complaints,
        overdue_complaints,
        ever_resolved_complaints,
        reopened_complaints,
        escalated_complaints,
        rated_complaints,
        badly_rated_complaints,
        open_under_1d,
        open_1d_to_3d,
        open_3d_to_7d,
        open_over_7d,
        open_within_sla,
        open_approaching_sla,
        open_breached_sla,
        {{ share('resolved_complaints', 'total_complaints') }} as resolution_rate,
        {{ share('completed_complaints', 'total_complaints') }} as completion_rate,
        {{ share('on_time_complaints', 'total_complaints') }} as sla_compliance_rate,
        {{ share('on_time_complaints', 'resolved_complaints') }} as on_time_rate,
        {{ share('breached_complaints', 'total_complaints') }} as breach_rate,
        {{ share('reopened_complaints', 'ever_resolved_complaints') }} as reopen_rate,
        {{ share('once_assigned_complaints', 'assigned_complaints') }} as first_assignment_rate,
        {{ share('escalated_complaints', 'total_complaints') }} as escalation_rate,
        csat,
        avg_resolution_hours,
        {{ percentile('resolution_hours', '0.5e0') }} as median_resolution_hours,
        {{ percentile('resolution_hours', '0.9e0') }} as p90_resolution_hours,
        {{ percentile('assignment_hours', '0.5e0') }} as median_assignment_hours,
        as_of
    from counted
)

select * from final

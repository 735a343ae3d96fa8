with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
    where submitted_date is not null
),

final as (
    select
        tenant_id,
        cast(date_trunc('month', submitted_date) as timestamp(6)) as month_start,
        count(*) as total_complaints,
        count_if({{ is_resolved() }}) as resolved_complaints,
        count_if(last_status = 'CLOSED') as closed_complaints,
        avg(t_submit_to_resolve_hours) as avg_tat_hours,
        count_if(breach_flag) as breached_complaints,
        100e0 * count_if(breach_flag) / count(*) as breach_rate_pct
    from cases
    group by tenant_id, date_trunc('month', submitted_date)
)

select * from final

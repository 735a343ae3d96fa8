with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
),

final as (
    select
        tenant_id,
        tenant_root,
        coalesce(ward_id, 'UNKNOWN') as ward_id,
        count(*) as total_complaints,
        count_if({{ is_resolved() }}) as resolved_complaints,
        count_if(last_status = 'CLOSED') as closed_complaints,
        count_if(last_status = 'REJECTED') as rejected_complaints,
        count_if(is_open) as open_complaints,
        count_if(is_overdue) as overdue_complaints,
        count_if(reopen_count > 0) as reopened_complaints,
        count_if(breach_flag) as breached_complaints,
        100e0 * count_if(breach_flag) / count(*) as breach_rate_pct,
        avg(t_submit_to_resolve_hours) as avg_tat_hours,
        avg(cast(rating as double)) as avg_rating
    from cases
    group by tenant_id, tenant_root, coalesce(ward_id, 'UNKNOWN')
)

select * from final

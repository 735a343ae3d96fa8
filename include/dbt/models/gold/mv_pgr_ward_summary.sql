with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
    where ward_id is not null
),

final as (
    select
        tenant_id,
        ward_id,
        count(*) as total_complaints,
        count_if({{ is_resolved() }}) as resolved_complaints,
        count_if(last_status = 'CLOSED') as closed_complaints,
        count_if(is_open) as open_complaints,
        avg(t_submit_to_resolve_hours) as avg_tat_hours,
        count_if(breach_flag) as breached_complaints,
        100e0 * count_if(breach_flag) / count(*) as breach_rate_pct
    from cases
    group by tenant_id, ward_id
)

select * from final

with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
),

final as (
    select
        tenant_id,
        tenant_root,
        complaint_id,
        ward_id,
        channel,
        complaint_type,
        priority,
        department,
        last_status,
        is_open,
        sla_hours,
        sla_source,
        submitted_time,
        resolved_time,
        completed_time,
        final_completed_time,
        t_submit_to_resolve_hours,
        breach_flag,
        final_breach_flag,
        is_overdue,
        sla_bucket,
        breach_hours,
        breach_time,
        as_of
    from cases
)

select * from final

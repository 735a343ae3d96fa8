with

cases as (
    select * from {{ ref('gold_pgr_case_lifecycle') }}
    where
        ward_id is not null
        and channel is not null
),

final as (
    select
        tenant_id,
        ward_id,
        channel,
        count(*) as total_complaints,
        count_if({{ is_resolved() }}) as resolved_complaints,
        avg(t_submit_to_resolve_hours) as avg_tat_hours
    from cases
    group by tenant_id, ward_id, channel
)

select * from final

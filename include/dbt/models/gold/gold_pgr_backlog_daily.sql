with

cases as (
    select
        *,
        cast(at_timezone(with_timezone(as_of, 'UTC'), time_zone) as date) as today
    from {{ ref('gold_pgr_case_lifecycle') }}
),

stays as (
    select
        cases.tenant_id,
        cases.tenant_root,
        coalesce(cases.ward_id, 'UNKNOWN') as ward_id,
        coalesce(cases.channel, 'UNKNOWN') as channel,
        cases.today,
        -- one wrong date of long ago must not make a calendar longer than the engine counts
        greatest(stay.from_date, cases.today - interval '9000' day) as from_date,
        greatest(stay.until_date, cases.today - interval '9000' day) as until_date,
        stay.status
    from cases
    cross join unnest(cases.open_stays) as stay (from_date, until_date, status)
    where stay.from_date <= cases.today
),

steps as (
    select
        tenant_id,
        tenant_root,
        ward_id,
        channel,
        status,
        today,
        from_date as metric_date,
        1 as step
    from stays
    union all
    select
        tenant_id,
        tenant_root,
        ward_id,
        channel,
        status,
        today,
        until_date as metric_date,
        -1 as step
    from stays
    where until_date is not null
),

day_steps as (
    select
        tenant_id,
        tenant_root,
        ward_id,
        channel,
        status,
        metric_date,
        max(today) as today,
        sum(step) as step
    from steps
    where metric_date <= today
    group by tenant_id, tenant_root, ward_id, channel, status, metric_date
),

-- As many are open from a day with a step until before the next one, or until today.
levels as (
    select
        tenant_id,
        tenant_root,
        ward_id,
        channel,
        status,
        metric_date as from_date,
        coalesce(
            date_add('day', -1, lead(metric_date) over (
                partition by tenant_id, ward_id, channel, status
                order by metric_date
            )),
            today
        ) as last_date,
        sum(step) over (
            partition by tenant_id, ward_id, channel, status
            order by metric_date
        ) as open_cases
    from day_steps
),

final as (
    select
        days.metric_date,
        levels.tenant_id,
        levels.tenant_root,
        levels.ward_id,
        levels.channel,
        levels.status,
        levels.open_cases
    from levels
    cross join unnest(sequence(levels.from_date, levels.last_date)) as days (metric_date)
    where levels.open_cases > 0
)

select * from final

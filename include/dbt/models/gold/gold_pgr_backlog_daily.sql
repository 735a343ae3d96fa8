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

calendar as (
    select
        spans.tenant_id,
        spans.tenant_root,
        spans.ward_id,
        spans.channel,
        spans.status,
        days.metric_date
    from (
        select
            tenant_id,
            tenant_root,
            ward_id,
            channel,
            status,
            min(metric_date) as first_date,
            max(today) as today
        from steps
        group by tenant_id, tenant_root, ward_id, channel, status
    ) as spans
    cross join unnest(sequence(spans.first_date, spans.today)) as days (metric_date)
),

day_steps as (
    select
        tenant_id,
        ward_id,
        channel,
        status,
        metric_date,
        sum(step) as step
    from steps
    group by tenant_id, ward_id, channel, status, metric_date
),

counted as (
    select
        calendar.metric_date,
        calendar.tenant_id,
        calendar.tenant_root,
        calendar.ward_id,
        calendar.channel,
        calendar.status,
        sum(coalesce(day_steps.step, 0)) over (
            partition by calendar.tenant_id, calendar.ward_id, calendar.channel, calendar.status
            order by calendar.metric_date
        ) as open_cases
    from calendar
    left join day_steps
        on
            calendar.tenant_id = day_steps.tenant_id
            and calendar.ward_id = day_steps.ward_id
            and calendar.channel = day_steps.channel
            and calendar.status = day_steps.status
            and calendar.metric_date = day_steps.metric_date
),

final as (
    select *
    from counted
    where open_cases > 0
)

select * from final

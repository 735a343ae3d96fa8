{{
    config(
        materialized='touched',
        unique_key=['metric_date', 'tenant_id', 'ward_id', 'channel'],
        partitioning=['month(metric_date)'],
    )
}}
{%- set plan = cases_plan(ref('silver_pgr_events'), settings_digest(
    [(ref('test_tenants'), ['tenant_prefix'])],
    [],
)) %}
{%- do plan.update({'chunks': 1}) %}
{%- set counted_events = {
    'CaseSubmitted': 'submitted',
    'CaseAssigned': 'assigned',
    'CaseResolved': 'resolved',
    'CaseClosed': 'closed',
    'CaseReopened': 'reopened',
    'CaseRejected': 'rejected',
    'CaseEscalated': 'escalated',
} %}
{%- set columns = ['metric_date', 'tenant_id', 'ward_id', 'channel', 'tenant_root'] %}
{%- for name in counted_events.values() %}
{%- do columns.extend([name ~ '_events', name ~ '_cases']) %}
{%- endfor %}
{{ plan_comment(plan) }}
with

silver_pgr_events as (
    select * from {{ ref('silver_pgr_events') }}
),

test_tenants as (
    select * from {{ ref('test_tenants') }}
),

{% if not plan.full -%}
touched_days as (
    select distinct
        tenant_id,
        event_date_local
    from ({{ untaken_changes(plan) }}) as changes
),

{% endif -%}
excluded_tenants as (
    {{ test_tenants_of('silver_pgr_events' if plan.full else 'touched_days') }}
),

events as (
    select
        silver_pgr_events.event_date_local as metric_date,
        silver_pgr_events.tenant_id,
        coalesce(silver_pgr_events.ward_id, 'UNKNOWN') as ward_id,
        coalesce(silver_pgr_events.channel, 'UNKNOWN') as channel,
        silver_pgr_events.tenant_root,
        silver_pgr_events.complaint_id,
        -- a number takes less memory than the text
        case silver_pgr_events.event_type
            {%- for event_type in counted_events %}
            when '{{ event_type }}' then {{ loop.index }}
            {%- endfor %}
        end as event_number
    from silver_pgr_events
    {%- if not plan.full %}
    inner join touched_days
        on
            silver_pgr_events.tenant_id = touched_days.tenant_id
            and silver_pgr_events.event_date_local = touched_days.event_date_local
    {%- endif %}
    where
        silver_pgr_events.tenant_id not in (select excluded_tenants.tenant_id from excluded_tenants)
        {%- if plan.days %}
        and {{ date_in('silver_pgr_events.event_date_local', plan.days) }}
        {%- endif %}
),

-- What each case has of an event on a day: counting the distinct cases of each event apart takes twice the time.
cases as (
    select
        metric_date,
        tenant_id,
        ward_id,
        channel,
        event_number,
        complaint_id,
        max(tenant_root) as tenant_root,
        count(*) as events
    from events
    group by metric_date, tenant_id, ward_id, channel, event_number, complaint_id
),

counted as (
    select
        metric_date,
        tenant_id,
        ward_id,
        channel,
        max(tenant_root) as tenant_root,
        {%- for name in counted_events.values() %}
        coalesce(sum(events) filter (where event_number = {{ loop.index }}), 0) as {{ name }}_events,
        count_if(event_number = {{ loop.index }}) as {{ name }}_cases
        {{- ',' if not loop.last }}
        {%- endfor %}
    from cases
    group by metric_date, tenant_id, ward_id, channel
),
{%- if plan.full %}

final as (
    select * from counted
)
{%- else %}

stored as (
    select stored.*
    from {{ stored_relation() }} as stored
    inner join touched_days
        on
            stored.tenant_id = touched_days.tenant_id
            and stored.metric_date = touched_days.event_date_local
    {%- if plan.days %}
    where {{ date_in('stored.metric_date', plan.days) }}
    {%- endif %}
),

-- A day is counted whole; what was stored of it and is not found again is gone.
final as (
    select
        {%- for column in columns %}
        if(counted.tenant_id is null, stored.{{ column }}, counted.{{ column }}) as {{ column }},
        {%- endfor %}
        counted.tenant_id is null as _is_gone
    from counted
    full outer join stored
        on
            counted.metric_date = stored.metric_date
            and counted.tenant_id = stored.tenant_id
            and counted.ward_id = stored.ward_id
            and counted.channel = stored.channel
)
{%- endif %}

select * from final

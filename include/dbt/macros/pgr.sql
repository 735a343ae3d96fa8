{#- Rules of the domain that more than one model needs. -#}

{#- The moment that the clock stands at, in UTC. -#}
{%- macro as_of() -%}
    {%- if var('as_of') -%}
        cast(timestamp '{{ var('as_of') }}' as timestamp(6))
    {%- else -%}
        cast(current_timestamp at time zone 'UTC' as timestamp(6))
    {%- endif -%}
{%- endmacro -%}

{#-
Open means that somebody still has to do something. DIGIT's complaints mostly end as RESOLVED, because closing is the
citizen's rating, which many never give.
-#}
{%- macro is_open(status) -%}
    (not regexp_like({{ status }}, '^(RESOLVED|REJECTED|CLOSED|CANCELLED)'))
{%- endmacro -%}

{#- Whether a tenant is one of a list or lies under one: `pb.amritsar` lies under `pb`, `ken` not under `ke`. -#}
{%- macro lies_under(tenant, prefix) -%}
    ({{ tenant }} = {{ prefix }} or starts_with({{ tenant }}, {{ prefix }} || '.'))
{%- endmacro -%}

{#- The tenants of a relation that are in the seed of test tenants, or lie under one; the seed is called test_tenants. -#}
{%- macro test_tenants_of(relation) -%}
    select distinct tenants.tenant_id
    from (select distinct tenant_id from {{ relation }}) as tenants
    inner join test_tenants on {{ lies_under('tenants.tenant_id', 'test_tenants.tenant_prefix') }}
{%- endmacro -%}

{%- macro hours_between(earlier, later) -%}
    (date_diff('millisecond', {{ earlier }}, {{ later }}) / 3600000e0)
{%- endmacro -%}

{#- A time so many hours later, to the millisecond; the engine counts milliseconds up to 24 days only. -#}
{%- macro hours_after(time, hours) -%}
    date_add(
        'millisecond',
        mod(cast(round({{ hours }} * 3600000) as bigint), 1000),
        date_add('second', cast(round({{ hours }} * 3600000) as bigint) / 1000, {{ time }})
    )
{%- endmacro -%}

{%- macro next_events_map() -%}
    map(
        array['{{ next_events().keys() | join("', '") }}'],
        array[
            {%- for following in next_events().values() %}
            array['{{ following | join("', '") }}']{{ ',' if not loop.last }}
            {%- endfor %}
        ]
    )
{%- endmacro -%}

{#- The order of events of one case and one millisecond where the state machine does not decide. -#}
{%- macro event_rank(event_type) -%}
    case {{ event_type }}
        when 'CaseSubmitted' then 1
        when 'CaseReopened' then 2
        when 'CaseReassignRequested' then 3
        when 'CaseAssigned' then 4
        when 'CaseEscalated' then 5
        when 'CaseResolved' then 6
        when 'CaseRejected' then 7
        when 'CaseClosed' then 8
        else 9
    end
{%- endmacro -%}

{#- DIGIT's state after an event that does not name it. -#}
{%- macro state_after(event_type, status) -%}
    case {{ event_type }}
        when 'CaseSubmitted' then 'PENDINGFORASSIGNMENT'
        when 'CaseReopened' then 'PENDINGFORASSIGNMENT'
        when 'CaseReassignRequested' then 'PENDINGFORREASSIGNMENT'
        when 'CaseAssigned' then 'PENDINGATLME'
        when 'CaseEscalated' then 'PENDINGATSUPERVISOR'
        when 'CaseResolved' then 'RESOLVED'
        when 'CaseRejected' then 'REJECTED'
        else {{ status }}
    end
{%- endmacro -%}

{#- The status an event gives its case where it does not say. -#}
{%- macro status_after(event_type) -%}
    case {{ event_type }}
        when 'CaseSubmitted' then 'OPEN'
        when 'CaseReassignRequested' then 'OPEN'
        when 'CaseReopened' then 'REOPENED'
        when 'CaseAssigned' then 'ASSIGNED'
        when 'CaseEscalated' then 'ASSIGNED'
        when 'CaseResolved' then 'RESOLVED'
        when 'CaseRejected' then 'REJECTED'
        when 'CaseClosed' then 'CLOSED'
    end
{%- endmacro -%}

{#- The share-th part of sorted values, interpolated as spreadsheets do (PERCENTILE.INC); null of nothing. -#}
{%- macro percentile(values, share) -%}
    case
        when cardinality({{ values }}) > 0
            then
                element_at({{ values }}, cast(floor((cardinality({{ values }}) - 1) * {{ share }}) as integer) + 1)
                + (
                    element_at({{ values }}, cast(ceiling((cardinality({{ values }}) - 1) * {{ share }}) as integer) + 1)
                    - element_at({{ values }}, cast(floor((cardinality({{ values }}) - 1) * {{ share }}) as integer) + 1)
                ) * mod((cardinality({{ values }}) - 1) * {{ share }}, 1)
    end
{%- endmacro -%}

{#-
Resolved as operators count it: the last thing that ended it was a resolution (a closing where nobody resolves or
rejects), and it is not open again.
-#}
{%- macro is_resolved() -%}
    (
        not is_open
        and completed_time is not null
        and last_status <> 'CANCELLED'
        and coalesce(final_completed_time >= final_rejected_time, true)
    )
{%- endmacro -%}

{#- A share of a whole; null of nothing. -#}
{%- macro share(part, whole) -%}
    (cast({{ part }} as double) / nullif({{ whole }}, 0))
{%- endmacro -%}

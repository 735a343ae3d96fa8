{{
    config(
        materialized='touched',
        unique_key=['tenant_id', 'complaint_id'],
        clock_view='case_clock_view',
    )
}}
{%- set plan = cases_plan(ref('silver_pgr_events'), settings_digest(
    [
        (ref('sla_targets'), ['tenant_prefix', 'complaint_type', 'sla_hours']),
        (ref('test_tenants'), ['tenant_prefix']),
    ],
    [var('business_sla_hours')]
)) %}
{{ plan_comment(plan) }}
with

silver_pgr_events as (
    select * from {{ ref('silver_pgr_events') }}
),

sla_targets as (
    select * from {{ ref('sla_targets') }}
),

test_tenants as (
    select * from {{ ref('test_tenants') }}
),

{% if not plan.full -%}
touched_cases as (
    select distinct
        tenant_id,
        complaint_id
    from ({{ untaken_changes(plan) }}) as changes
    where {{ in_chunk('complaint_id') }}
),

{% endif -%}
excluded_tenants as (
    {{ test_tenants_of('silver_pgr_events' if plan.full else 'touched_cases') }}
),

events as (
    select
        silver_pgr_events.*,
        coalesce(silver_pgr_events.status, {{ status_after('silver_pgr_events.event_type') }}) as status_then,
        -- a comment says something about the case and moves it nowhere
        silver_pgr_events.event_type <> 'CaseCommented' as is_move
    from silver_pgr_events
    {%- if not plan.full %}
    inner join touched_cases
        on
            silver_pgr_events.tenant_id = touched_cases.tenant_id
            and silver_pgr_events.complaint_id = touched_cases.complaint_id
    {%- endif %}
    where
        silver_pgr_events.tenant_id not in (select excluded_tenants.tenant_id from excluded_tenants)
        and {{ in_chunk('silver_pgr_events.complaint_id') }}
),

-- Moves of one case at one time are put in the order in which the state machine allows them. All of it is windows
-- over what was read once: the engine reads a relation again for each place that names it.
timed as (
    select
        *,
        {{ event_rank('event_type') }} as event_rank,
        array_agg(if(is_move, event_time)) over (partition by tenant_id, complaint_id) as move_times
    from events
),

tied as (
    select
        *,
        cardinality(array_distinct(filter(move_times, moment -> moment is not null)))
        < cardinality(filter(move_times, moment -> moment is not null)) as is_tied_case
    from timed
),

gathered as (
    select
        *,
        array_agg(
            if(
                is_tied_case and is_move,
                cast(
                    row(event_time, event_rank, event_id, event_type)
                    as row(event_time timestamp(6), event_rank integer, event_id varchar, event_type varchar)
                )
            )
        ) over (partition by tenant_id, complaint_id) as gathered_moves
    from tied
),

sorted as (
    select
        *,
        transform(
            array_sort(filter(gathered_moves, move -> move is not null)),
            move -> cast(
                row(move.event_time, move.event_type, move.event_id)
                as row(event_time timestamp(6), event_type varchar, event_id varchar)
            )
        ) as tied_moves
    from gathered
),

placed as (
    select
        *,
        if(is_tied_case, array_position({{ in_machine_order('tied_moves') }}, event_id), 0) as place
    from sorted
),

ordered as (
    select
        *,
        row_number() over (
            partition by tenant_id, complaint_id
            order by event_time, place, event_rank, event_id
        ) as step
    from placed
),

cases as (
    select
        ---------- ids
        tenant_id,
        complaint_id,

        ---------- dimensions: how it came in, and the newest that is known of the rest
        max(tenant_root) as tenant_root,
        max(time_zone) as time_zone,
        min_by(channel, step) filter (where channel is not null) as channel,
        max_by(ward_id, step) filter (where ward_id is not null) as ward_id,
        max_by(locality_id, step) filter (where locality_id is not null) as locality_id,
        max_by(complaint_type, step) filter (where complaint_type is not null) as complaint_type,
        max_by(priority, step) filter (where priority is not null) as priority,
        max_by(department, step) filter (where department is not null) as department,
        max_by(sla_hours, step) filter (where sla_hours is not null) as own_sla_hours,
        max_by(rating, step) filter (where rating is not null) as rating,
        max_by(is_active, step) filter (where is_active is not null) as is_active,

        ---------- times
        {%- for event_type, name in [
            ('CaseSubmitted', 'submitted'),
            ('CaseAssigned', 'assigned'),
            ('CaseResolved', 'resolved'),
            ('CaseClosed', 'closed'),
            ('CaseRejected', 'rejected'),
            ('CaseReopened', 'reopened'),
            ('CaseEscalated', 'escalated'),
        ] %}
        min(event_time) filter (where event_type = '{{ event_type }}') as {{ name }}_time,
        max(event_time) filter (where event_type = '{{ event_type }}') as final_{{ name }}_time,
        {%- endfor %}
        min_by(event_date_local, step) filter (where event_type = 'CaseSubmitted') as submitted_date,
        min_by(event_date_local, step) filter (where event_type = 'CaseResolved') as resolved_date,
        max(event_time) as last_event_time,

        ---------- counts
        count(*) as event_count,
        count_if(event_type = 'CaseAssigned') as assignment_count,
        count_if(event_type = 'CaseResolved') as resolution_count,
        count_if(event_type = 'CaseReopened') as reopen_count,
        count_if(event_type = 'CaseReassignRequested') as reassign_count,
        count_if(event_type = 'CaseEscalated') as escalation_count,
        count_if(event_type = 'CaseCommented') as comment_count,

        ---------- state
        max_by(status_then, step) filter (where is_move) as last_status,
        max(event_time) filter (where is_move) as last_status_time,
        max_by(coalesce(digit_status, {{ state_after('event_type', 'status_then') }}), step) filter (where is_move)
            as last_state,
        array_agg(cast(row(event_date_local, status_then) as row(day date, status varchar)) order by step)
            filter (where is_move) as moves
    from ordered
    group by tenant_id, complaint_id
),

sla_of_types as (
    select
        complaint_type,
        array_agg(
            cast(row(tenant_prefix, sla_hours) as row(tenant_prefix varchar, sla_hours double))
            order by length(tenant_prefix) desc, sla_hours
        ) as targets
    from sla_targets
    group by complaint_type
),

typed as (
    select
        cases.*,
        -- the longest prefix that the tenant lies under
        element_at(
            filter(sla_of_types.targets, target -> {{ lies_under('cases.tenant_id', 'target.tenant_prefix') }}), 1
        ).sla_hours as type_sla_hours
    from cases
    left join sla_of_types on cases.complaint_type = sla_of_types.complaint_type
    -- what was deleted in DIGIT is no case
    where coalesce(cases.is_active, true)
),

targeted as (
    select
        *,
        coalesce(own_sla_hours, type_sla_hours, cast({{ var('business_sla_hours') }} as double)) as sla_hours,
        case
            when own_sla_hours is not null then 'event'
            when type_sla_hours is not null then 'type'
            else 'business'
        end as sla_source
    from typed
),

renamed as (
    select
        ---------- ids
        tenant_id,
        tenant_root,
        complaint_id,

        ---------- strings
        last_status,
        last_state,
        channel,
        ward_id,
        locality_id,
        complaint_type,
        priority,
        department,
        sla_source,
        time_zone,

        ---------- numerics
        sla_hours,
        event_count,
        assignment_count,
        resolution_count,
        reopen_count,
        reassign_count,
        escalation_count,
        comment_count,
        rating,
        {{ hours_between('submitted_time', 'assigned_time') }} as t_submit_to_assign_hours,
        {{ hours_between('submitted_time', 'resolved_time') }} as t_submit_to_resolve_hours,
        {{ hours_between('submitted_time', 'final_resolved_time') }} as t_submit_to_final_resolve_hours,
        {{ hours_between('submitted_time', 'closed_time') }} as t_submit_to_close_hours,

        ---------- booleans
        coalesce({{ is_open('last_status') }}, true) as is_open,
        rating is not null as has_rating,
        coalesce(own_sla_hours <> type_sla_hours, false) as has_sla_mismatch,

        ---------- dates and times
        submitted_date,
        resolved_date,
        submitted_time,
        final_submitted_time,
        assigned_time,
        final_assigned_time,
        resolved_time,
        final_resolved_time,
        closed_time,
        final_closed_time,
        rejected_time,
        final_rejected_time,
        reopened_time,
        final_reopened_time,
        escalated_time,
        final_escalated_time,
        last_status_time,
        last_event_time,
        {{ hours_after('submitted_time', 'sla_hours') }} as sla_due_time,
        -- where nobody says that a case was resolved, closing it did; rejecting it did not
        coalesce(resolved_time, if(rejected_time is null, closed_time)) as completed_time,
        coalesce(final_resolved_time, if(rejected_time is null, final_closed_time)) as final_completed_time,

        ---------- the open statuses it had at the end of days, each from a day until before another
        filter(
            transform(
                filter(
                    zip_with(
                        moves,
                        slice(moves, 2, cardinality(moves)),
                        (move, following) -> cast(
                            row(move.day, following.day, move.status)
                            as row(from_date date, until_date date, status varchar)
                        )
                    ),
                    stay -> stay.until_date is null or stay.until_date > stay.from_date
                ),
                stay -> stay
            ),
            stay -> coalesce({{ is_open('stay.status') }}, true)
        ) as open_stays
    from targeted
),
{%- if plan.full %}

final as (
    select * from renamed
)
{%- else %}

final as (
    select
        touched_cases.tenant_id,
        touched_cases.complaint_id,
        {%- for column in lifecycle_columns() if column not in ('tenant_id', 'complaint_id') %}
        renamed.{{ column }},
        {%- endfor %}
        renamed.tenant_id is null as _is_gone
    from touched_cases
    left join renamed
        on
            touched_cases.tenant_id = renamed.tenant_id
            and touched_cases.complaint_id = renamed.complaint_id
)
{%- endif %}

select * from final

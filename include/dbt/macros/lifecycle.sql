{#-
The ids of a case's moves in the order in which they happened. `moves` is sorted by time, then by rank; of those at one
time the next one is a move that the state machine allows, best one after which it allows another of them. Where it
allows none, the rank decides.
-#}
{%- macro in_machine_order(moves) -%}
    {%- set move_type = 'row(event_time timestamp(6), event_type varchar, event_id varchar)' -%}
    {%- set state_type = 'row(last_type varchar, placed array(varchar), rest array(' ~ move_type ~ '))' -%}
    {%- set now = 'filter(state.rest, move -> move.event_time = state.rest[1].event_time)' -%}
    {%- set allowed = 'filter(' ~ now ~ ', move -> contains(coalesce(element_at(' ~ next_events_map()
        ~ ", state.last_type), array['CaseSubmitted']), move.event_type))" -%}
    {%- set leading = 'filter(' ~ allowed ~ ', move -> any_match(' ~ now
        ~ ', other -> other.event_id <> move.event_id and contains(coalesce(element_at(' ~ next_events_map()
        ~ ', move.event_type), array[]), other.event_type)))' -%}
    reduce(
        {{ moves }},
        cast(row('', array[], {{ moves }}) as {{ state_type }}),
        (state, ignored) -> element_at(
            transform(
                array[element_at({{ leading }} || {{ allowed }} || {{ now }}, 1)],
                next_move -> cast(
                    row(
                        next_move.event_type,
                        state.placed || next_move.event_id,
                        filter(state.rest, move -> move.event_id <> next_move.event_id)
                    ) as {{ state_type }}
                )
            ),
            1
        ),
        state -> state.placed
    )
{%- endmacro -%}

{#-
The view of cases over their stored facts: what depends on the clock is told against `as_of`.

breach_flag follows the first resolution, as DIGIT's does; a case that was never completed breaches when it is open
and overdue. final_breach_flag follows the last one, and the clock again for a case that is open again. A case that
was rejected, or cancelled, and never resolved breaches nothing.
-#}
{%- macro case_clock_view(facts) -%}
with

facts as (
    select
        *,
        {{ as_of() }} as as_of
    from {{ facts }}
),

clocked as (
    select
        *,
        is_open and as_of > sla_due_time as is_overdue,
        case
            when completed_time is not null then completed_time > sla_due_time
            when is_open then as_of > sla_due_time
            when sla_due_time is not null then false
        end as breach_flag,
        case
            when is_open then as_of > sla_due_time
            when final_completed_time is not null then final_completed_time > sla_due_time
            when sla_due_time is not null then false
        end as final_breach_flag,
        if(is_open, {{ hours_between('submitted_time', 'as_of') }}) as age_hours
    from facts
)

select
    {%- for column in lifecycle_columns() %}
    {{ column }},
    {%- endfor %}
    breach_flag,
    if(
        breach_flag is not null,
        greatest({{ hours_between('sla_due_time', 'coalesce(completed_time, as_of)') }}, 0e0)
    ) as breach_hours,
    sla_due_time as breach_time,
    final_breach_flag,
    is_overdue,
    case
        when not is_open or sla_due_time is null then null
        when is_overdue then 'breached'
        when age_hours > 0.8e0 * sla_hours then 'approaching'
        else 'within'
    end as sla_bucket,
    age_hours,
    case
        when age_hours is null then null
        when age_hours < 24 then '<1d'
        when age_hours < 72 then '1-3d'
        when age_hours <= 168 then '3-7d'
        else '>7d'
    end as ageing_bucket,
    as_of
from clocked
{%- endmacro -%}

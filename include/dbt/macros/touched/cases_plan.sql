{#-
What of silver's changes a gold model has not taken.

changes_snapshot, taken_snapshot: what is read of `case_changes`, and of `taken_inputs` to know which builds were complete.
full: everything is read.
chunks: in how many shares the cases are taken, so that none holds more than a twelfth of `events_at_once`.
days: the local days that changed; none where they are many.
nothing: no change.
-#}
{%- macro cases_plan(events, settings) -%}
    {%- if not execute -%}
        {{ return({'takes': 'cases', 'full': true}) }}
    {%- endif -%}
    {%- set plan = {'takes': 'cases', 'full': must_rebuild(stored_relation(), settings), 'settings': settings} -%}
    {%- if exists_as_table(taken_inputs()) and exists_as_table(case_changes()) -%}
        {%- set snapshots = current_snapshots([taken_inputs(), case_changes()]) -%}
        {%- do plan.update({'taken_snapshot': snapshots[0], 'changes_snapshot': snapshots[1]}) -%}
    {%- endif -%}
    {%- if not plan.full -%}
        {%- set found = run_query("
            select
                count(*) as changes,
                coalesce(bool_or(tenant_id is null), false) as is_everything,
                count(distinct event_date_local) as days
            from " ~ case_changes() ~ at_snapshot(plan.changes_snapshot) ~ "
            where change_id not in (" ~ taken_keys('change') ~ ")
        ").rows[0] -%}
        {%- do plan.update({'full': found[1], 'nothing': found[0] == 0}) -%}
        {%- if not plan.full and found[2] <= 366 -%}
            {%- do plan.update({'days': dates_in(run_query(
                "select distinct cast(event_date_local as varchar) from (" ~ untaken_changes(plan) ~ ")"
            ))}) -%}
        {%- endif -%}
        {#- a case has a handful of events, and each change is an event or a few of one case -#}
        {%- do plan.update({'chunks': 1 + found[0] // 100000}) -%}
    {%- endif -%}
    {%- if plan.full -%}
        {%- set events = run_query("select count(*) from " ~ events).rows[0][0] -%}
        {%- do plan.update({'chunks': 1 + 12 * events // var('events_at_once')}) -%}
    {%- endif -%}
    {{ return(plan) }}
{%- endmacro -%}

{#- Changes of silver that this model has not taken. -#}
{%- macro untaken_changes(plan) -%}
    select
        tenant_id,
        complaint_id,
        event_date_local
    from {{ case_changes() }}{{ at_snapshot(plan.changes_snapshot) }}
    where change_id not in ({{ taken_keys('change') }})
{%- endmacro -%}

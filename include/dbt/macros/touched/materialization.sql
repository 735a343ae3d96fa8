{#-
A table that is brought up to date by what was touched since, and by nothing else.

The model computes all rows, or the rows of what was touched: the new row of each key, and for a key that is to go
its key with `_is_gone`. They are written to a table of their own first, so that what follows works on one set of
rows, then merged in one statement: a reader sees the table before or after, and a run that dies is done again.

unique_key: columns of the key, none of which is null.
partitioning: as Iceberg's table property.
chunks: the model says `in_chunk(…)`; a statement then takes one share of the keys, so that its memory stays small.
records_changes: also write `case_changes`.
clock_view: a macro that gives the text of a view over the table; the table is then `<name>_facts`.
-#}
{%- materialization touched, adapter='trino', supported_languages=['sql'] -%}
    {%- set plan = plan_of(compiled_code) -%}
    {%- set clock_view = config.get('clock_view') -%}
    {%- set stored = stored_relation() -%}
    {%- set changed = stored.incorporate(path={'identifier': stored.identifier ~ '__changed'}) -%}
    {%- set chunks = plan.get('chunks', 1) -%}

    {{ run_hooks(pre_hooks) }}
    {%- do create_bookkeeping() -%}
    {%- if exists_as_table(changed) -%}
        {%- do run_query('drop table ' ~ changed) -%}
    {%- endif -%}
    {%- set existing = adapter.get_relation(stored.database, stored.schema, stored.identifier) -%}
    {%- if existing is not none and existing.is_view -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}

    {%- if plan.full -%}
        {%- if config.get('records_changes') -%}
            {%- do record_all_changed() -%}
        {%- endif -%}
        {%- if chunks > 1 -%}
            {%- do write_chunks(changed, compiled_code, chunks) -%}
            {%- call statement('main') -%}
                {{ replace_table(stored, 'select * from ' ~ changed) }}
            {%- endcall -%}
        {%- else -%}
            {%- call statement('main') -%}
                {{ replace_table(stored, compiled_code) }}
            {%- endcall -%}
        {%- endif -%}
    {%- elif plan.nothing -%}
        {%- call statement('main') -%}
            select 'nothing was touched'
        {%- endcall -%}
    {%- else -%}
        {%- do wait_for_keys(stored) -%}
        {%- do write_chunks(changed, compiled_code, chunks) -%}
        {%- if config.get('records_changes') -%}
            {%- do record_changes(stored, changed) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ merge_changed(stored, changed, config.get('unique_key')) }}
        {%- endcall -%}
    {%- endif -%}
    {%- if chunks > 1 or not (plan.full or plan.nothing) -%}
        {%- do run_query('drop table if exists ' ~ changed) -%}
    {%- endif -%}

    {%- set relations = [stored] -%}
    {%- if clock_view -%}
        {%- set view = this.incorporate(type='view') -%}
        {%- call statement('clock_view') -%}
            {{ get_create_view_as_sql(view, context[clock_view](stored)) }}
        {%- endcall -%}
        {%- do relations.append(view) -%}
    {%- endif -%}

    {%- do mark_plan(plan) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': relations}) }}
{%- endmaterialization -%}

{#- Where the rows of this model are: in the model's own table, or in the table behind its view. -#}
{%- macro stored_relation() -%}
    {%- if config.get('clock_view') -%}
        {{ return(this.incorporate(path={'identifier': this.identifier ~ '_facts'}, type='table')) }}
    {%- endif -%}
    {{ return(this.incorporate(type='table')) }}
{%- endmacro -%}

{%- macro table_properties() -%}
    with (
        {%- if config.get('partitioning') %}
        partitioning = array[{% for column in config.get('partitioning') %}'{{ column }}'{{ ', ' if not loop.last }}{% endfor %}],
        {%- endif %}
        format = 'PARQUET',
        format_version = 2,
        max_commit_retry = 20,
        extra_properties = map(
            array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
            array['true', '20']
        )
    )
{%- endmacro -%}

{%- macro replace_table(relation, query) -%}
    create or replace table {{ relation }}
    {{ comment(model.get('description')) }}
    {{ table_properties() }}
    as
    {{ query }}
{%- endmacro -%}

{#-
Where a statement takes one share of the keys; the materialization says which. Where there is one share only, nothing
is asked of the rows: a predicate on a key keeps the engine from skipping rows by the keys that it joins with.
-#}
{%- macro in_chunk(column) -%}
    true /* chunk of {{ column }} */
{%- endmacro -%}

{%- macro chunk_of(query, chunks, chunk) -%}
    {#- the hash may be negative, and so may its remainder -#}
    {%- set part, found = modules.re.subn(
        'true /[*] chunk of (.+?) [*]/',
        'mod(' ~ hash_of('\\1') ~ ', ' ~ chunks ~ ') in (' ~ chunk ~ ', ' ~ (chunk - chunks if chunk else 0) ~ ')',
        query,
    ) -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ' is taken in ' ~ chunks ~ ' shares and does not say in_chunk(…): each would have all rows.'
        ) -%}
    {%- endif -%}
    {{ return(part) }}
{%- endmacro -%}

{#-
The rows that a large table is joined with say which of its rows are read at all, if the engine waits until it has
them. By itself it waits for one second; bringing them together takes longer.
-#}
{%- macro wait_for_keys(stored) -%}
    {%- do run_query("set session " ~ stored.database ~ ".dynamic_filtering_wait_timeout = '20s'") -%}
{%- endmacro -%}

{%- macro write_chunks(relation, query, chunks) -%}
    {%- for chunk in range(chunks) -%}
        {%- set part = chunk_of(query, chunks, chunk) if chunks > 1 else query -%}
        {%- call statement('chunk_' ~ chunk) -%}
            {%- if loop.first %}
            create table {{ relation }} as
            {%- else %}
            insert into {{ relation }}
            {%- endif %}
            {{ part }}
        {%- endcall -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro merge_changed(stored, changed, unique_key) -%}
    {%- set listed = run_query("
        select
            table_name,
            column_name
        from " ~ stored.database ~ ".information_schema.columns
        where
            table_schema = '" ~ stored.schema ~ "'
            and table_name in ('" ~ stored.identifier ~ "', '" ~ changed.identifier ~ "')
            and column_name <> '_is_gone'
        order by ordinal_position
    ").rows -%}
    {%- set columns = [] -%}
    {%- set found = [] -%}
    {%- for row in listed -%}
        {%- do (columns if row[0] == stored.identifier else found).append(row[1]) -%}
    {%- endfor -%}
    {%- if columns | sort != found | sort -%}
        {%- do exceptions.raise_compiler_error(
            stored ~ ' has the columns ' ~ columns ~ ', the model now gives ' ~ found
            ~ '. Run it once with --full-refresh.'
        ) -%}
    {%- endif %}
    merge into {{ stored }} as stored
    using {{ changed }} as changed
    on {% for column in unique_key %}stored.{{ column }} = changed.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    when matched and changed._is_gone then delete
    when matched then update set
        {%- for column in columns if column not in unique_key %}
        {{ column }} = changed.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched and not changed._is_gone then insert ({{ columns | join(', ') }})
    values ({% for column in columns %}changed.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro -%}

{%- macro record_all_changed() -%}
    {%- call statement('record_all_changed') -%}
        insert into {{ case_changes() }} (change_id, changed_at)
        values ('{{ invocation_id }}', cast(current_timestamp at time zone 'UTC' as timestamp(6)))
    {%- endcall -%}
{%- endmacro -%}

{#- A changed event touches the case and the day it had, and those it has now. -#}
{%- macro record_changes(stored, changed) -%}
    {%- call statement('record_changes') -%}
        insert into {{ case_changes() }} (change_id, tenant_id, complaint_id, event_date_local, changed_at)
        select distinct
            '{{ invocation_id }}',
            touched.tenant_id,
            touched.complaint_id,
            touched.event_date_local,
            cast(current_timestamp at time zone 'UTC' as timestamp(6))
        from (
            select tenant_id, complaint_id, event_date_local
            from {{ changed }}
            where not _is_gone
            union all
            select stored.tenant_id, stored.complaint_id, stored.event_date_local
            from {{ stored }} as stored
            inner join {{ changed }} as changed
                on stored.tenant_id = changed.tenant_id and stored.event_id = changed.event_id
        ) as touched
    {%- endcall -%}
{%- endmacro -%}

{#- What the plan named counts as taken from here on; whatever happened before is done again by the next run. -#}
{%- macro mark_plan(plan) -%}
    {%- set inputs = [] -%}
    {%- if plan.takes == 'bronze' -%}
        {%- if plan.ledger_snapshot -%}
            {%- do inputs.append(
                "select 'load', " ~ ledger_key() ~ " from " ~ plan.ledger ~ at_snapshot(plan.ledger_snapshot)
                ~ " as ledger where ledger.target = '" ~ plan.bronze ~ "'"
            ) -%}
        {%- endif -%}
        {%- if plan.bronze_snapshot -%}
            {%- do inputs.append("select 'snapshot', '" ~ plan.bronze_snapshot ~ "'") -%}
        {%- endif -%}
        {#- one build of silver runs at a time, so that whatever is written down by now is also done -#}
        {%- do inputs.append("select distinct 'build', change_id from " ~ case_changes()) -%}
    {%- elif plan.changes_snapshot and plan.taken_snapshot -%}
        {#- a change whose build of silver was not complete when this model read it is taken again -#}
        {%- do inputs.append(
            "select distinct 'change', changes.change_id from "
            ~ case_changes() ~ at_snapshot(plan.changes_snapshot) ~ " as changes inner join "
            ~ taken_inputs() ~ at_snapshot(plan.taken_snapshot)
            ~ " as builds on changes.change_id = builds.key and builds.kind = 'build'"
        ) -%}
    {%- endif -%}
    {%- if plan.full -%}
        {%- do inputs.append("select 'settings', '" ~ plan.settings ~ "'") -%}
    {%- endif -%}
    {%- if inputs -%}
        {%- call statement('mark_plan') %}
            insert into {{ taken_inputs() }} (model, kind, key, build, taken_at)
            select
                '{{ model.name }}',
                input.kind,
                input.key,
                '{{ invocation_id }}',
                cast(current_timestamp at time zone 'UTC' as timestamp(6))
            from (
                {{ inputs | join(' union all ') }}
            ) as input (kind, key)
            -- settings that come back are the newest again: written once more, however often they are there
            left join {{ taken_inputs() }} as taken
                on
                    taken.model = '{{ model.name }}'
                    and taken.kind = input.kind
                    and taken.key = input.key
                    and input.kind <> 'settings'
            where taken.key is null
        {%- endcall -%}
    {%- endif -%}
{%- endmacro -%}

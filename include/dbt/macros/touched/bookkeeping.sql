{#-
What the incremental models remember, in two append-only tables beside silver.

`taken_inputs`: what each model has taken, a set and never a watermark, because loads commit late. One row for each
(model, kind, key): a `load` (row of the ledger), a `snapshot` of bronze (up to which snapshots written by hand were
looked for), a `change` (of `case_changes`), the `settings` (digest of the seeds and vars it stands on), a `build`
(a change of silver that is complete).

`case_changes`: which cases and days a build of silver changed, written before it changes them. A row without a
tenant stands for every case.
-#}

{%- macro taken_inputs() -%}
    {{ return(api.Relation.create(
        database=target.database, schema=generate_schema_name('silver', none) | trim, identifier='taken_inputs', type='table'
    )) }}
{%- endmacro -%}

{%- macro case_changes() -%}
    {{ return(api.Relation.create(
        database=target.database, schema=generate_schema_name('silver', none) | trim, identifier='case_changes', type='table'
    )) }}
{%- endmacro -%}

{%- macro create_bookkeeping() -%}
    {%- if exists_as_table(taken_inputs()) and exists_as_table(case_changes()) -%}
        {{ return('') }}
    {%- endif -%}
    {%- do run_query("create table if not exists " ~ taken_inputs() ~ " (
        model varchar, kind varchar, key varchar, build varchar, taken_at timestamp(6)
    ) comment 'What each incremental model has taken; append-only' with (max_commit_retry = 20)") -%}
    {%- do run_query("create table if not exists " ~ case_changes() ~ " (
        change_id varchar, tenant_id varchar, complaint_id varchar, event_date_local date, changed_at timestamp(6)
    ) comment 'Cases and days that builds of silver changed; a row without tenant means all' with (max_commit_retry = 20)") -%}
    {#- models that follow in the same run find them -#}
    {%- do adapter.cache_added(taken_inputs()) -%}
    {%- do adapter.cache_added(case_changes()) -%}
{%- endmacro -%}

{%- macro exists_as_table(relation) -%}
    {{ return(adapter.get_relation(relation.database, relation.schema, relation.identifier) is not none) }}
{%- endmacro -%}

{#- A metadata table of Iceberg, as `"events$snapshots"`. -#}
{%- macro metadata_table(relation, name) -%}
    {{ return(relation.database ~ '.' ~ relation.schema ~ '."' ~ relation.identifier ~ '$' ~ name ~ '"') }}
{%- endmacro -%}

{#- The snapshots that tables stand at, none for one that has none yet; looked up in the order of the tables. -#}
{%- macro current_snapshots(relations) -%}
    {%- set found = [] -%}
    {%- for relation in relations -%}
        {%- set rows = run_query(
            "select snapshot_id from " ~ metadata_table(relation, 'refs') ~ " where name = 'main'"
        ).rows -%}
        {%- do found.append(rows[0][0] if rows else none) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro -%}

{#- ` for version as of …`, nothing where there is no snapshot to hold to (unit tests, an empty table). -#}
{%- macro at_snapshot(snapshot) -%}
    {%- if snapshot %} for version as of {{ snapshot }}{% endif -%}
{%- endmacro -%}

{#- The name of a row of the ledger, which is append-only and has no key of its own. -#}
{%- macro ledger_key() -%}
    concat_ws(
        '/',
        ledger.kind,
        coalesce(ledger.source_id, ''),
        coalesce(cast(ledger.first_position as varchar), ''),
        coalesce(cast(ledger.next_position as varchar), ''),
        coalesce(ledger.attempt, ''),
        coalesce(cast(ledger.finished_at as varchar), cast(ledger.started_at as varchar), '')
    )
{%- endmacro -%}

{#- Keys of one kind that a model has taken, as a subquery. -#}
{%- macro taken_keys(kind) -%}
    select key from {{ taken_inputs() }} where model = '{{ model.name }}' and kind = '{{ kind }}'
{%- endmacro -%}

{#- A digest of all that a model is computed from besides its input: the rows of seeds, by their columns, and vars. -#}
{%- macro settings_digest(seeds, values) -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set parts = ["'" ~ (values | string | replace("'", "''")) ~ "'"] -%}
    {%- for seed, columns in seeds -%}
        {%- do parts.append("(select to_hex(checksum(row(" ~ columns | join(', ') ~ "))) from " ~ seed ~ ")") -%}
    {%- endfor -%}
    {{ return(run_query("select lower(to_hex(md5(to_utf8(concat_ws('/', " ~ parts | join(', ') ~ ")))))").rows[0][0]) }}
{%- endmacro -%}

{#- Whether a model must be built from nothing: asked for, not there, or standing on other settings. -#}
{%- macro must_rebuild(stored, settings) -%}
    {%- if should_full_refresh() or not exists_as_table(stored) or not exists_as_table(taken_inputs()) -%}
        {{ return(true) }}
    {%- endif -%}
    {%- set last = run_query(
        "select max_by(key, taken_at) from " ~ taken_inputs()
        ~ " where model = '" ~ model.name ~ "' and kind = 'settings'"
    ).columns[0].values()[0] -%}
    {{ return(last != settings) }}
{%- endmacro -%}

{#- The plan as a comment of the compiled statement; the materialization reads it there and marks exactly that. -#}
{%- macro plan_comment(plan) -%}
    -- takes: {{ tojson(plan) }}
{%- endmacro -%}

{%- macro plan_of(compiled_code) -%}
    {%- set found = modules.re.search('^ *-- takes: (.*)$', compiled_code, modules.re.MULTILINE) -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(model.name ~ ' is materialized as touched and has no plan; begin it with plan_comment(…).') -%}
    {%- endif -%}
    {{ return(fromjson(found.group(1))) }}
{%- endmacro -%}

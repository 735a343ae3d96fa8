{#- A new schema lies in the table bucket, beside bronze; DBT_LOCATION='' leaves the place to the catalog. -#}
{%- macro trino__create_schema(relation) -%}
    {%- set root = env_var('DBT_LOCATION', 's3://' ~ env_var('LAKEHOUSE_TABLE_BUCKET', 'lake')) -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier() }}
        {%- if root %}
        with (location = '{{ root }}/{{ relation.schema }}')
        {%- endif %}
    {%- endcall -%}
{%- endmacro -%}

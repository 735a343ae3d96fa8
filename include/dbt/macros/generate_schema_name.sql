{#- A model lies in the schema that its folder names, not in one named after whoever runs dbt. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{ var('schema_prefix') }}{{ custom_schema_name or target.schema }}
{%- endmacro -%}

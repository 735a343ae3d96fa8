create table {{ staging | identifier }} (
    {%- for column in columns %}
    {{ column.name | identifier }} {{ column.type.value }},
    {%- endfor %}
    _source_id varchar,
    _position bigint,
    _statement integer
)
with (
    format = 'PARQUET',
    external_location = {{ location | literal }}
)

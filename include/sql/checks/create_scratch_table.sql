create table {{ table | identifier }} (
    {%- for column in columns %}
    {{ column.name | identifier }} {{ column.type.value }},
    {%- endfor %}
    _source_id varchar,
    _position bigint,
    _load_id varchar,
    _ingested_at timestamp(6)
)
with (
    format = {{ file_format | literal }},
    format_version = {{ format_version }},
    partitioning = array['event_date', 'service'],
    max_commit_retry = 20
)

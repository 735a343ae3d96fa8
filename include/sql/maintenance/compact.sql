alter table {{ table | identifier }} execute optimize (file_size_threshold => {{ threshold | literal }})
where
    true
    {%- for column, value in values.items() %}
    and {{ column | identifier }} is not distinct from {{ bind(value) }}
    {%- endfor %}

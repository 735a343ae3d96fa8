alter table {{ table | identifier }} execute optimize (file_size_threshold => {{ threshold | literal }})
{%- for column, value in values.items() %}
{{ 'where' if loop.first else '    and' }} {{ column | identifier }} {% if value is none %}is null{% else %}= {{ bind(value) }}{% endif %}
{%- endfor %}

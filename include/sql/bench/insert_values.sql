insert into {{ target | identifier }} (
    {%- for column in columns %}
    {{ column | identifier }}{{ '' if loop.last else ',' }}
    {%- endfor %}
) values
{%- for row in rows %}
(
    {%- for value in row %}
    {{ bind(value) }}{{ '' if loop.last else ',' }}
    {%- endfor %}
){{ '' if loop.last else ',' }}
{%- endfor %}

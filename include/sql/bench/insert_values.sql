insert into {{ target | identifier }} (
    {%- for column in columns %}
    {{ column | identifier }}{% if not loop.last %},{% endif %}
    {%- endfor %}
) values
{%- for row in rows %}
(
    {%- for value in row %}
    {{ bind(value) }}{% if not loop.last %},{% endif %}
    {%- endfor %}
){% if not loop.last %},{% endif %}
{%- endfor %}

{% for target in targets -%}
select
    {{ target | literal }} as table_name,
    key,
    value
from {{ (target ~ '$properties') | identifier }}
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}

{#-
The columns name a row: none of them is null, and no two rows agree in all of them.

is_large: rows that may agree are looked for by a short hash first. The engine groups numbers in half the time that
texts take; a view is computed again for each time it is named, so this is for tables, with a key of texts.
-#}
{% test unique_key(model, columns, is_large=false) %}
{%- set hash = hash_of("concat_ws('/', " ~ columns | join(', ') ~ ")") %}
{%- if is_large %}
with

alike as (
    select {{ hash }} as key_hash
    from {{ model }}
    group by {{ hash }}
    having
        count(*) > 1
        {%- for column in columns %}
        or count({{ column }}) < count(*)
        {%- endfor %}
)

{% endif %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if is_large %}
where {{ hash }} in (select alike.key_hash from alike)
{%- endif %}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}

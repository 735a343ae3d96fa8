{#- A rule holds for every row; a row of which it says null breaks it too. -#}
{% test holds(model, rule) %}
select *
from {{ model }}
where not coalesce({{ rule }}, false)
{% endtest %}

create table {{ table | identifier }} as
select
    {%- for column in columns %}
    {%- if column.name == 'event_date' %}
    cast({{ bind(event_date) }} as date) as event_date,
    {%- elif column.name == 'service' %}
    'check' as service,
    {%- else %}
    cast(null as {{ column.type.value }}) as {{ column.name | identifier }},
    {%- endif %}
    {%- endfor %}
    listed.source_id as _source_id,
    positions.position as _position,
    0 as _statement
from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
cross join unnest(sequence({{ bind(first) }}, {{ bind(last) }})) as positions (position)
cross join unnest(sequence(1, {{ bind(copies) }})) as copies (copy)

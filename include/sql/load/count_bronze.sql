select
    _source_id,
    _load_id,
    count(*) as row_count,
    count(distinct _position) as position_count,
    array[
        {%- for column in columns %}
        count_if({{ column | identifier }} is null){% if not loop.last %},{% endif %}
        {%- endfor %}
    ] as null_counts
from {{ target | identifier }}
where
    _source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
    and _position >= {{ bind(first) }}
    and _position < {{ bind(next) }}
group by _source_id, _load_id

select
    _source_id,
    sum(row_count) as row_count,
    sum(position_count) as position_count,
    sum(own_count) as own_count,
    sum(framed_otherwise_count) as framed_otherwise_count,
    array[
        {%- for column in columns %}
        sum({{ ('null_count_' ~ loop.index) | identifier }}){{ '' if loop.last else ',' }}
        {%- endfor %}
    ] as null_counts
from (
    select
        _source_id,
        count(*) as row_count,
        bit_count(bitwise_or_agg(bitwise_left_shift(bigint '1', cast(_position % 64 as integer))), 64) as position_count,
        count_if(_load_id = element_at(cast(json_parse({{ bind(load_ids) }}) as map(varchar, varchar)), _source_id))
            as own_count,
        {%- for column in columns %}
        count_if({{ column | identifier }} is null) as {{ ('null_count_' ~ loop.index) | identifier }},
        {%- endfor %}
        count_if(substr(_load_id, -3) <> {{ bind(framing_mark) }}) as framed_otherwise_count
    from {{ target | identifier }}
    where
        _source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and _position >= {{ bind(first) }}
        and _position < {{ bind(next) }}
        -- sources that share a unit may each go on from where they were recorded
        and _position >= element_at(cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), _source_id)[1]
        and _position < element_at(cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), _source_id)[2]
    group by _source_id, _position / 64
)
group by _source_id

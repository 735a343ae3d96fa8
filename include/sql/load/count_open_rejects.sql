select
    rejects.source_id,
    count(distinct rejects.record_position) as open_rejects
from {{ rejects | identifier }} as rejects
left join (
    select
        _source_id,
        _position
    from {{ target | identifier }}
    where
        _source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and _position >= {{ bind(first) }}
        and _position < {{ bind(next) }}
) as bronze
    on
        rejects.source_id = bronze._source_id
        and rejects.record_position = bronze._position
where
    rejects.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
    and rejects.record_position >= {{ bind(first) }}
    and rejects.record_position < {{ bind(next) }}
    and rejects.record_position
    >= element_at(cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), rejects.source_id)[1]
    and rejects.record_position
    < element_at(cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), rejects.source_id)[2]
    and bronze._source_id is null
group by rejects.source_id

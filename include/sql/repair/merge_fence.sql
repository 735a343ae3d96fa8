-- Two keys at the ends of a range, in one file: its bounds hold the whole range, so that whatever merges into the
-- range, and was planned before this commits, conflicts. What is planned later finds the intent. Deleted at once.
merge into {{ target | identifier }} as bronze
using (
    select
        {{ bind(source_id) }} as _source_id,
        ends._position
    from unnest(cast(json_parse({{ bind(positions) }}) as array(bigint))) as ends (_position)
) as fence
    on
        bronze._source_id between {{ bind(source_id) }} and {{ bind(source_id) }}
        and bronze._position >= {{ bind(first) }}
        and bronze._position < {{ bind(next) }}
        and bronze._source_id = fence._source_id
        and bronze._position = fence._position
when not matched then insert (
    _source_id,
    _position
) values (
    fence._source_id,
    fence._position
)

merge into {{ target | identifier }} as bronze
using (
    select
        {%- for column in columns %}
        {{ column | identifier }},
        {%- endfor %}
        _source_id,
        _position,
        element_at(cast(json_parse({{ bind(load_ids) }}) as map(varchar, varchar)), _source_id) as _load_id
    from {{ staging | identifier }}
    where
        _source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and _position >= {{ bind(first) }}
        and _position < {{ bind(next) }}
        and _statement = {{ bind(statement) }}
        and element_at(cast(json_parse({{ bind(load_ids) }}) as map(varchar, varchar)), _source_id) is not null
        and if(
            -- as many bits as rows: each position once, told without holding every position in memory
            (
                select coalesce(bool_and(row_count = position_count), true)
                from (
                    select
                        count(*) as row_count,
                        bit_count(bitwise_or_agg(bitwise_left_shift(bigint '1', cast(_position % 64 as integer))), 64)
                            as position_count
                    from {{ staging | identifier }}
                    where
                        _source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
                        and _position >= {{ bind(first) }}
                        and _position < {{ bind(next) }}
                    group by _source_id, _position / 64
                )
            ),
            true,
            cast(fail('staged positions are not distinct') as boolean)
        )
        and if(
            (
                select count(*)
                from {{ ledger | identifier }} as unloads
                where
                    unloads.kind = 'unload_intent'
                    and unloads.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
                    and unloads.first_position
                    < element_at(
                        cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), unloads.source_id
                    )[2]
                    and unloads.next_position
                    > element_at(
                        cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), unloads.source_id
                    )[1]
            ) = 0,
            true,
            cast(fail('the range was taken out by an unload') as boolean)
        )
) as staged
    on
        bronze._source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and bronze._position >= {{ bind(first) }}
        and bronze._position < {{ bind(next) }}
        and bronze._source_id = staged._source_id
        and bronze._position = staged._position
when not matched then insert (
    {%- for column in columns %}
    {{ column | identifier }},
    {%- endfor %}
    _source_id,
    _position,
    _load_id,
    _ingested_at
) values (
    {%- for column in columns %}
    staged.{{ column | identifier }},
    {%- endfor %}
    staged._source_id,
    staged._position,
    staged._load_id,
    {{ bind(ingested_at) }}
)

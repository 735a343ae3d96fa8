select
    _source_id,
    sum(row_count) as row_count,
    sum(position_count) as position_count,
    min(lowest_position) as lowest_position,
    max(highest_position) as highest_position
from (
    select
        _source_id,
        count(*) as row_count,
        bit_count(bitwise_or_agg(bitwise_left_shift(bigint '1', cast(_position % 64 as integer))), 64) as position_count,
        min(_position) as lowest_position,
        max(_position) as highest_position
    from {{ staging | identifier }}
    group by _source_id, _position / 64
)
group by _source_id

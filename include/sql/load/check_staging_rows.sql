select
    _source_id,
    count(*) as row_count,
    count(distinct _position) as position_count,
    min(_position) as lowest_position,
    max(_position) as highest_position
from {{ staging | identifier }}
group by _source_id

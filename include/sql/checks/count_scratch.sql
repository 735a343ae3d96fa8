select
    count(*) as row_count,
    count(distinct row(_source_id, _position)) as key_count
from {{ table | identifier }}

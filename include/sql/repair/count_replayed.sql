-- Staged rows that bronze has at their own keys, and how many of these this replay wrote.
select
    count(distinct staged._position) as staged_rows,
    count(distinct bronze._position) as rows_there,
    count_if(bronze._load_id = {{ bind(load_id) }}) as own_rows
from {{ staging | identifier }} as staged
left join {{ target | identifier }} as bronze
    on
        staged._source_id = bronze._source_id
        and staged._position = bronze._position
        and bronze._source_id = {{ bind(source_id) }}
        and bronze._position >= {{ bind(first) }}
        and bronze._position < {{ bind(next) }}
where staged._source_id = {{ bind(source_id) }}

-- Rows that a replay merged, and then died before it said so. Ids of its loads have a z where no other has one.
select
    bronze._source_id,
    bronze._load_id,
    min(bronze._position) as first_position,
    max(bronze._position) + 1 as next_position,
    count(*) as replayed_rows
from {{ target | identifier }} as bronze
inner join (
    select distinct
        source_id,
        record_position
    from {{ rejects | identifier }}
    where contract = {{ bind(contract) }}
) as judged
    on
        bronze._source_id = judged.source_id
        and bronze._position = judged.record_position
left join (
    select distinct load_id
    from {{ ledger | identifier }}
    where kind = 'replay'
) as recorded
    on bronze._load_id = recorded.load_id
where
    substr(bronze._load_id, 5, 1) = 'z'
    and recorded.load_id is null
group by bronze._source_id, bronze._load_id

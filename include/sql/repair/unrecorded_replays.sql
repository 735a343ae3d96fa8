-- Rows that a replay merged, and then died before it said so. Ids of its loads have a z where no other has one.
select
    bronze._source_id,
    bronze._load_id,
    min(bronze._position) as first_position,
    max(bronze._position) + 1 as next_position,
    count(*) as replayed_rows
from {{ target | identifier }} as bronze
-- and not the rejects: an erasure may have taken them
inner join {{ sources | identifier }} as sources on bronze._source_id = sources.source_id
left join (
    select distinct load_id
    from {{ ledger | identifier }}
    where kind = 'replay'
) as recorded
    on bronze._load_id = recorded.load_id
where
    sources.contract = {{ bind(contract) }}
    and substr(bronze._load_id, 5, 1) = 'z'
    and recorded.load_id is null
group by bronze._source_id, bronze._load_id

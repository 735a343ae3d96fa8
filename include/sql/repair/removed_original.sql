-- What the contract had done with the object of a source, the newest last word of it.
select
    kind,
    reason,
    finished_at
from {{ ledger | identifier }}
where source_id = {{ bind(source_id) }} and kind in ('archive', 'delete')
order by finished_at desc
limit 1

-- What the ledger says that a removal took away.
select
    count(*) as sources,
    coalesce(sum(records_removed), 0) as records
from {{ ledger | identifier }}
where attempt = {{ bind(removal_id) }} and kind in ('retention', 'erasure')

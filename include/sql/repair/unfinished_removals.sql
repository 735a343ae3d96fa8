-- Removals that noted what they remove, and did not yet say that it is gone.
select
    removals.removal_id,
    removals.kind,
    removals.target
from {{ removals | identifier }} as removals
left join {{ ledger | identifier }} as ledger
    on
        removals.removal_id = ledger.attempt
        and removals.kind = ledger.kind
where ledger.attempt is null
group by removals.removal_id, removals.kind, removals.target
order by removals.removal_id

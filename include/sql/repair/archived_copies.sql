-- Where the contract had versions of an object copied to, under whatever ids they were loaded.
select distinct reason
from {{ ledger | identifier }}
where source = {{ bind(source) }} and kind = 'archive'
order by reason

-- How far back a table can be read.
select min(cast(committed_at at time zone 'UTC' as timestamp(6)))
from {{ snapshots | identifier }}

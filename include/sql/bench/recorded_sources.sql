-- Which objects of one beginning are recorded to their end.
select distinct source
from iceberg.bronze.ledger
where
    kind = 'load'
    and end_position is not null
    and starts_with(source, {{ bind(beginning) }})

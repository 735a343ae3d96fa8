select count(*) as partition_count
from {{ sources | identifier }} as sources
where
    sources.contract = {{ bind(contract) }}
    and sources.source_kind = 'partition'
    and exists (
        select 1
        from {{ ledger | identifier }} as ledger
        where ledger.source_id = sources.source_id
    )

-- Of sources that are loaded: since when, whether it was done before, and what keeps their objects in place.
with wanted as (
    select listed.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
),

recorded as (
    select
        ledger.source_id,
        max(ledger.finished_at) filter (where ledger.kind = 'load') as loaded_at,
        count_if(ledger.kind = {{ bind(kind) }}) > 0 as is_done
    from {{ ledger | identifier }} as ledger
    inner join wanted on ledger.source_id = wanted.source_id
    group by ledger.source_id
),

held as (
    select distinct rejects.source_id
    from iceberg.bronze.open_rejects as rejects
    inner join wanted on rejects.source_id = wanted.source_id
)

select
    recorded.source_id,
    recorded.loaded_at,
    recorded.is_done,
    held.source_id is not null as has_open_rejects
from recorded
left join held on recorded.source_id = held.source_id

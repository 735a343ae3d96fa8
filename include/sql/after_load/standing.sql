-- Of sources that are loaded: since when, whether it was done before, and what keeps their objects in place.
with wanted as (
    select listed.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
),

recorded as (
    select
        ledger.source_id,
        max(ledger.finished_at) filter (where ledger.kind = 'load') as loaded_at,
        max(ledger.started_at) filter (where ledger.kind = 'load') as read_at,
        count_if(ledger.kind = {{ bind(kind) }}) > 0 as is_done
    from {{ ledger | identifier }} as ledger
    inner join wanted on ledger.source_id = wanted.source_id
    group by ledger.source_id
),

unloaded as (
    select distinct source_id
    from {{ ledger | identifier }}
    where kind = 'unload'
),

-- Where a newer version supersedes: one that was planned since the read of this one may be in the middle of its load,
-- and then this one, which was put again, is to be loaded again in its turn.
-- A version that is taken out gets another id for the day it comes again, which says nothing of when it was planned.
newer_versions as (
    select mine.source_id
    from (
        select
            recorded.source_id,
            recorded.read_at,
            sources.source,
            sources.source_digest
        from recorded
        inner join {{ sources | identifier }} as sources on recorded.source_id = sources.source_id
    ) as mine
    inner join {{ sources | identifier }} as others
        on
            mine.source = others.source
            and mine.source_digest <> others.source_digest
    left join unloaded on others.source_id = unloaded.source_id
    where {{ bind(overwrite) }} = 'supersede'
    group by mine.source_id, mine.read_at, others.source_digest
    having min(others.registered_at) > mine.read_at and count(unloaded.source_id) = 0
),

newer as (
    select distinct source_id
    from newer_versions
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
    held.source_id is not null as has_open_rejects,
    newer.source_id is not null as has_newer
from recorded
left join held on recorded.source_id = held.source_id
left join newer on recorded.source_id = newer.source_id

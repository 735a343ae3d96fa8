with wanted as (
    select digest
    from unnest(cast(json_parse({{ bind(digests) }}) as array(varchar))) as listed (digest)
),

unloaded as (
    select distinct source_id
    from {{ ledger | identifier }}
    where kind = 'unload_intent' and source_kind <> 'partition'
),

-- a source that was taken out and may be loaded again has another id since: the one that is not taken out
named as (
    select
        sources.source_digest,
        sources.source_id,
        sources.identity,
        unloaded.source_id is not null as is_unloaded,
        row_number() over (
            partition by sources.source_digest
            order by unloaded.source_id nulls first, sources.registered_at desc
        ) as age
    from {{ sources | identifier }} as sources
    inner join wanted on sources.source_digest = wanted.digest
    left join unloaded on sources.source_id = unloaded.source_id
),

registered as (
    select
        source_digest,
        source_id,
        identity,
        is_unloaded
    from named
    where age = 1
),

recorded as (
    select
        ledger.source_id,
        array_agg(row(ledger.first_position, ledger.next_position, ledger.end_position)) as ranges,
        min(substr(ledger.load_id, -3)) as framing_mark,
        min(ledger.target) as target
    from {{ ledger | identifier }} as ledger
    inner join registered on ledger.source_id = registered.source_id
    where ledger.kind in ('load', 'gap')
    group by ledger.source_id
)

select
    registered.source_digest,
    registered.source_id,
    registered.identity,
    recorded.ranges,
    recorded.framing_mark,
    recorded.target,
    registered.is_unloaded
from registered
left join recorded on registered.source_id = recorded.source_id

with wanted as (
    select digest
    from unnest(cast(json_parse({{ bind(digests) }}) as array(varchar))) as listed (digest)
),

-- a source that was taken out and may be loaded again has another id since
named as (
    select
        sources.source_digest,
        sources.source_id,
        sources.identity,
        max(sources.registered_at) as registered_at
    from {{ sources | identifier }} as sources
    inner join wanted on sources.source_digest = wanted.digest
    group by sources.source_digest, sources.source_id, sources.identity
),

recorded as (
    select
        ledger.source_id,
        array_agg(row(ledger.first_position, ledger.next_position, ledger.end_position))
        filter (where ledger.kind <> 'unload_intent') as ranges,
        min(substr(ledger.load_id, -3)) filter (where ledger.kind <> 'unload_intent') as framing_mark,
        min(ledger.target) filter (where ledger.kind <> 'unload_intent') as target,
        count_if(ledger.kind = 'unload_intent' and ledger.source_kind <> 'partition') > 0 as is_unloaded
    from {{ ledger | identifier }} as ledger
    inner join named on ledger.source_id = named.source_id
    where ledger.kind in ('load', 'gap', 'unload_intent')
    group by ledger.source_id
),

aged as (
    select
        named.source_digest,
        named.source_id,
        named.identity,
        recorded.ranges,
        recorded.framing_mark,
        recorded.target,
        coalesce(recorded.is_unloaded, false) as is_unloaded,
        row_number() over (
            partition by named.source_digest
            order by coalesce(recorded.is_unloaded, false), named.registered_at desc
        ) as age
    from named
    left join recorded on named.source_id = recorded.source_id
)

select
    source_digest,
    source_id,
    identity,
    ranges,
    framing_mark,
    target,
    is_unloaded
from aged
where age = 1

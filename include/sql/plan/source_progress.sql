with wanted as (
    select digest
    from unnest(cast(json_parse({{ bind(digests) }}) as array(varchar))) as listed (digest)
),

registered as (
    select
        sources.source_digest,
        sources.source_id,
        sources.identity
    from {{ sources | identifier }} as sources
    inner join wanted on sources.source_digest = wanted.digest
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
    recorded.target
from registered
left join recorded on registered.source_id = recorded.source_id

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

recorded_ranges as (
    select
        ledger.source_id,
        ledger.first_position,
        ledger.next_position,
        -- where reading began is an empty range
        min(if(ledger.kind = 'load' and ledger.first_position = ledger.next_position, ledger.first_position))
            over (partition by ledger.source_id) as start_position
    from {{ ledger | identifier }} as ledger
    inner join registered on ledger.source_id = registered.source_id
    where ledger.kind in ('load', 'gap')
),

ranges as (
    select
        source_id,
        first_position,
        next_position,
        max(next_position) over (
            partition by source_id
            order by first_position, next_position
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from recorded_ranges
    -- what lies before the start was backfilled, and says nothing of what is next
    where first_position >= coalesce(start_position, 0)
),

recorded as (
    select
        source_id,
        max(next_position) as next_position,
        min(covered_until) filter (where first_position > covered_until) as hole_first,
        min(first_position) filter (where first_position > covered_until) as hole_next
    from ranges
    group by source_id
)

select
    registered.source_digest,
    registered.source_id,
    registered.identity,
    coalesce(recorded.hole_first, recorded.next_position) as next_position,
    recorded.hole_next
from registered
left join recorded on registered.source_id = recorded.source_id

-- Objects of a contract that bronze has in an older version beside a newer one, and those whose taking out for that
-- reason was begun and not ended. What was read later was put later: a read is pinned to the version that is there.
with registered as (
    select
        source_id,
        source,
        identity
    from {{ sources | identifier }}
    where contract = {{ bind(contract) }} and source_kind = 'object'
),

standing as (
    select
        ledger.source_id,
        max(ledger.started_at) filter (where ledger.kind = 'load') as read_at,
        count_if(ledger.kind = 'load' and ledger.end_position is not null) > 0
        and sum(ledger.next_position - ledger.first_position) filter (where ledger.kind = 'load')
        >= max(ledger.end_position) as is_complete,
        count_if(ledger.kind = 'unload_intent') > 0 as is_begun,
        count_if(ledger.kind = 'unload') > 0 as is_ended,
        count_if(
            ledger.kind = 'unload_intent'
            and ledger.actor = {{ bind(actor) }}
            and ledger.reason = {{ bind(reason) }}
        ) > 0 as is_superseded
    from {{ ledger | identifier }} as ledger
    where ledger.contract = {{ bind(contract) }} and ledger.kind in ('load', 'unload_intent', 'unload')
    group by ledger.source_id
),

versions as (
    select
        registered.source,
        registered.identity,
        standing.*,
        max(if(standing.is_complete and not standing.is_begun, standing.read_at)) over (
            partition by registered.source
        ) as newest_read_at
    from standing
    inner join registered on standing.source_id = registered.source_id
)

select
    source_id,
    source,
    identity
from versions
where
    (is_superseded and not is_ended)
    or (not is_begun and read_at < newest_read_at)
order by read_at, source_id

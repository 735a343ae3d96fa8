with wanted as (
    select listed.contract
    from unnest(cast(json_parse({{ bind(contracts) }}) as array(varchar))) as listed (contract)
),

recorded as (
    select
        ledger.*,
        -- where reading a partition began is an empty range
        min(if(ledger.source_kind = 'partition' and ledger.first_position = ledger.next_position, ledger.first_position))
            over (partition by ledger.source_id, ledger.target) as start_position
    from {{ ledger | identifier }} as ledger
    inner join wanted on ledger.contract = wanted.contract
    where ledger.kind in ('load', 'gap')
),

ranges as (
    select
        ledger.source_id,
        ledger.source,
        ledger.contract,
        ledger.first_position,
        ledger.finished_at,
        ledger.start_position,
        -- the positions before a file's first range are missing too; a partition may start anywhere
        coalesce(
            max(ledger.next_position) over (
                partition by ledger.source_id, ledger.target
                order by ledger.first_position, ledger.next_position
                rows between unbounded preceding and 1 preceding
            ),
            if(ledger.source_kind = 'partition', ledger.first_position, 0)
        ) as covered_until
    from recorded as ledger
)

select
    contract,
    count(distinct source_id) as sources,
    sum(first_position - covered_until) as positions,
    min(source) as example,
    min(finished_at) as since
from ranges
where
    first_position > covered_until
    -- what was backfilled before the start of a partition need not reach to it
    and (start_position is null or first_position > start_position)
group by contract

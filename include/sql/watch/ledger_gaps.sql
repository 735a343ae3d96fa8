with wanted as (
    select listed.contract
    from unnest(cast(json_parse({{ bind(contracts) }}) as array(varchar))) as listed (contract)
),

ranges as (
    select
        ledger.source_id,
        ledger.source,
        ledger.contract,
        ledger.first_position,
        ledger.finished_at,
        -- the positions before a file's first range are missing too; a partition may start anywhere
        coalesce(
            max(ledger.next_position) over (
                partition by ledger.source_id, ledger.target
                order by ledger.first_position, ledger.next_position
                rows between unbounded preceding and 1 preceding
            ),
            if(ledger.source_kind = 'partition', ledger.first_position, 0)
        ) as covered_until
    from {{ ledger | identifier }} as ledger
    inner join wanted on ledger.contract = wanted.contract
    where ledger.kind in ('load', 'gap')
)

select
    contract,
    count(distinct source_id) as sources,
    sum(first_position - covered_until) as positions,
    min(source) as example,
    min(finished_at) as since
from ranges
where first_position > covered_until
group by contract

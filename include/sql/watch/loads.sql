-- That a partition begins to be read is in the ledger too, as a range of no records.
with wanted as (
    select listed.contract
    from unnest(cast(json_parse({{ bind(contracts) }}) as array(varchar))) as listed (contract)
)

select
    ledger.contract,
    max(ledger.finished_at) filter (where ledger.records_read > 0 or ledger.source_kind <> 'partition') as newest,
    coalesce(sum(ledger.rows_loaded) filter (where ledger.finished_at >= {{ bind(today) }}), 0) as rows_today,
    coalesce(sum(ledger.records_read) filter (where ledger.finished_at >= {{ bind(day_ago) }}), 0) as records_of_day,
    coalesce(sum(ledger.rejects) filter (where ledger.finished_at >= {{ bind(day_ago) }}), 0) as rejects_of_day
from {{ ledger | identifier }} as ledger
inner join wanted on ledger.contract = wanted.contract
where ledger.kind = 'load'
group by ledger.contract

with wanted as (
    select listed.contract
    from unnest(cast(json_parse({{ bind(contracts) }}) as array(varchar))) as listed (contract)
)

select
    rejects.contract,
    count(*) as open_rejects,
    count_if(rejects.rejected_at >= {{ bind(day_ago) }}) as of_day
from iceberg.bronze.open_rejects as rejects
inner join wanted on rejects.contract = wanted.contract
group by rejects.contract

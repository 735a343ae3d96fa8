with wanted as (
    select listed.contract
    from unnest(cast(json_parse({{ bind(contracts) }}) as array(varchar))) as listed (contract)
)

select
    refusals.contract,
    refusals.source,
    refusals.refused_as,
    refusals.first_refused_at,
    sources.identity
from iceberg.bronze.open_refusals as refusals
inner join wanted on refusals.contract = wanted.contract
left join iceberg.bronze.sources as sources on refusals.source_id = sources.source_id
order by refusals.first_refused_at desc

with listed as (
    select sources.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as sources (source_id)
)

select
    rejects.reason,
    count(*) as reject_count
from iceberg.bronze.open_rejects as rejects
inner join listed on rejects.source_id = listed.source_id
group by rejects.reason
order by rejects.reason asc

select
    rejects.reason,
    count(*) as reject_count
from iceberg.bronze.open_rejects as rejects
inner join
    unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
    on rejects.source_id = listed.source_id
group by rejects.reason
order by rejects.reason asc

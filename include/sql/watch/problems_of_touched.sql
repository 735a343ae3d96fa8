select
    source_id,
    source,
    contract,
    finished_at,
    problems
from iceberg.bronze.certificate
where
    problems <> ''
    and source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
    and source_id in (
        select listed.source_id
        from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
    )

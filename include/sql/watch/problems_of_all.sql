select
    source_id,
    source,
    contract,
    finished_at,
    problems
from iceberg.bronze.certificate
where problems <> ''

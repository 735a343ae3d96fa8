select
    source_id,
    target,
    source,
    contract,
    ranges,
    first_position,
    next_position,
    end_position,
    gap_positions,
    overlap_positions,
    records_read,
    bronze_rows,
    doubled_rows,
    open_rejects,
    finished_at,
    problems,
    removed_records
from iceberg.bronze.certificate
order by problems desc, finished_at asc nulls first, source asc

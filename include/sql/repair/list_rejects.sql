-- Open rejects, newest first. Of their records only how long they are, as they may hold personal data.
select
    rejected_at,
    contract,
    source,
    record_position,
    line,
    reason,
    column_name,
    detail,
    record_bytes,
    load_id,
    source_id,
    record is not null as is_kept
from iceberg.bronze.open_rejects
where
    ({{ bind(contract) }} is null or contract = {{ bind(contract) }})
    and ({{ bind(load_id) }} is null or load_id = {{ bind(load_id) }})
    and ({{ bind(reject_reason) }} is null or reason = {{ bind(reject_reason) }})
    and (cast({{ bind(from_time) }} as timestamp(6)) is null or rejected_at >= {{ bind(from_time) }})
    and (cast({{ bind(to_time) }} as timestamp(6)) is null or rejected_at < {{ bind(to_time) }})
order by rejected_at desc, source asc, record_position asc
limit {{ bind(most) }}

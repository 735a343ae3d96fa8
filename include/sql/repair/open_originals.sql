-- The next open rejects of a contract, by source and position, with their originals, not too many bytes at once.
with wanted as (
    select *
    from iceberg.bronze.open_rejects
    where
        contract = {{ bind(contract) }}
        and (
            source_id > {{ bind(after_source) }}
            or (source_id = {{ bind(after_source) }} and record_position > {{ bind(after_position) }})
        )
        and ({{ bind(load_id) }} is null or load_id = {{ bind(load_id) }})
        and ({{ bind(reject_reason) }} is null or reason = {{ bind(reject_reason) }})
        and (cast({{ bind(rejected_from) }} as timestamp(6)) is null or rejected_at >= {{ bind(rejected_from) }})
        and (cast({{ bind(rejected_to) }} as timestamp(6)) is null or rejected_at < {{ bind(rejected_to) }})
    order by source_id, record_position
    limit {{ bind(most_records) }}
),

summed as (
    select
        *,
        sum(coalesce(length(record), 0)) over (
            order by source_id, record_position
            rows between unbounded preceding and 1 preceding
        ) as bytes_before
    from wanted
)

select
    summed.source_id,
    summed.record_position,
    summed.load_id,
    summed.target,
    summed.source,
    summed.reason,
    summed.line,
    summed.record,
    summed.record_bytes,
    summed.record_sha256,
    summed.record_key,
    summed.record_timestamp,
    summed.record_headers,
    sources.source_kind,
    sources.identity
from summed
inner join {{ sources | identifier }} as sources on summed.source_id = sources.source_id
where coalesce(summed.bytes_before, 0) < {{ bind(most_bytes) }}
order by summed.source_id, summed.record_position

-- What the lakehouse holds of some messages of one partition: rows, and open rejects by reason.
with sources as (
    select distinct source_id
    from iceberg.bronze.ledger
    where source = {{ bind(source) }}
)

select
    '' as reason,
    count(*) as records
from iceberg.bronze.service_events_raw as bronze
inner join sources on bronze._source_id = sources.source_id
where bronze._position >= {{ bind(first) }} and bronze._position < {{ bind(next) }}
union all
select
    rejects.reason,
    count(*) as records
from iceberg.bronze.open_rejects as rejects
inner join sources on rejects.source_id = sources.source_id
where rejects.record_position >= {{ bind(first) }} and rejects.record_position < {{ bind(next) }}
group by rejects.reason

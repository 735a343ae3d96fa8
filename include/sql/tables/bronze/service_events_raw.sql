create table if not exists iceberg.bronze.service_events_raw (
    event_date date comment 'UTC day of event_time unless the source says otherwise',
    event_time timestamp(6) comment 'UTC',
    tenant_id varchar,
    service varchar,
    entity_type varchar,
    entity_id varchar,
    event_type varchar,
    status varchar,
    actor_type varchar,
    actor_id varchar,
    channel varchar,
    ward_id varchar,
    locality_id varchar,
    attributes_json varchar comment 'JSON text, as it was sent',
    raw_payload varchar comment 'the field of this name in the source, as it was sent',
    _source_id varchar comment 'one immutable, ordered source; null: a row written by hand',
    _position bigint comment 'place of the row in its source',
    _load_id varchar comment 'the load that wrote the row; provenance only',
    _ingested_at timestamp(6) comment 'UTC time of the load'
)
comment 'Civic service events as they arrived, one row an event, exactly once'
with (
    format = 'PARQUET',
    format_version = 2,
    partitioning = array['event_date', 'service'],
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

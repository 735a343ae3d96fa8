create table if not exists iceberg.bronze.ledger (
    kind varchar
    comment 'load | gap | unload_intent | unload | replay | tag | archive | delete | retention | erasure',
    source_id varchar,
    first_position bigint comment 'the range is half-open: [first_position, next_position)',
    next_position bigint,
    end_position bigint comment 'where the source ends; null while it is not known or never ends',
    load_id varchar,
    source_kind varchar comment 'object | partition | request',
    source varchar comment 'the identity for people, s3://bucket/key for an object',
    identity varchar comment 'the full identity, canonical JSON',
    target varchar comment 'the bronze table',
    contract varchar,
    contract_fingerprint varchar,
    records_read bigint,
    rows_loaded bigint comment 'records judged good',
    rejects bigint comment 'records judged bad',
    source_bytes bigint comment 'size of the source as stored; of a partition, the values of this range',
    touched array(row(event_date date, service varchar)) comment 'partitions of the target with rows of this load',
    unknown_columns map(varchar, bigint) comment 'columns the contract does not know, and in how many records',
    attempt varchar,
    query_id varchar comment 'Trino query of the last merge into bronze; null where there was none',
    run varchar comment 'dag/run/task/try of Airflow, or the program',
    started_at timestamp(6) comment 'UTC',
    finished_at timestamp(6) comment 'UTC',
    actor varchar comment 'who, for what a person did',
    reason varchar comment 'why, for what a person did',
    records_removed bigint comment 'rows and open rejects that a retention or an erasure removed; null elsewhere'
)
comment 'The commit records of loads: a range is done when its row is here; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

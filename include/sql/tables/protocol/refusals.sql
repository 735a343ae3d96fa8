create table if not exists iceberg.bronze.refusals (
    source_id varchar,
    source varchar comment 's3://bucket/key',
    contract varchar,
    terms varchar comment 'fingerprint of the contract, and the share of bad records it allows',
    refused_as varchar comment 'the kind of error',
    message varchar comment 'what is wrong and what to do, for people',
    attempt varchar,
    run varchar comment 'dag/run/task/try of Airflow, or the program',
    refused_at timestamp(6) comment 'UTC'
)
comment 'Files that were read and not loaded, with the reason; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

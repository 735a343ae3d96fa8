create table if not exists iceberg.bronze.rejects (
    source_id varchar,
    record_position bigint comment 'place of the record in its source',
    contract_fingerprint varchar comment 'a record judged again under another contract is another row',
    contract varchar,
    target varchar comment 'the bronze table the record was meant for',
    load_id varchar,
    source varchar comment 'the identity for people, s3://bucket/key for an object',
    reason varchar comment 'one of the closed list of reasons',
    column_name varchar comment 'the column that is bad; null where the whole record is',
    detail varchar comment 'what was found, for people',
    line bigint comment 'physical line in the file, from 1; null where there is none',
    record varbinary comment 'the record as it was sent; null where it could not be scrubbed',
    record_bytes bigint comment 'length of the record as it was sent',
    record_sha256 varchar,
    record_key varbinary comment 'of the Kafka message; null elsewhere',
    record_timestamp timestamp(6) comment 'UTC, of the Kafka message; null elsewhere',
    record_headers varchar comment 'of the Kafka message those that the contract allows, as a JSON object',
    rejected_at timestamp(6) comment 'UTC'
)
comment 'Records that no row could be made of, with the reason; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

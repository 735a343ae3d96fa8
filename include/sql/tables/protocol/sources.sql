create table if not exists iceberg.bronze.sources (
    source_id varchar comment 'the id that every load of this source uses',
    source_digest varchar comment 'digest of the identity; at most one row has it',
    source_kind varchar comment 'object | partition | request',
    source varchar comment 'the identity for people, s3://bucket/key for an object',
    identity varchar comment 'the full identity, canonical JSON',
    contract varchar comment 'the contract under which it was first planned',
    registered_at timestamp(6) comment 'UTC'
)
comment 'Every source that was ever planned; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

create table if not exists iceberg.bronze.removals (
    removal_id varchar comment 'one retention or erasure; the attempt of its ledger rows',
    kind varchar comment 'retention | erasure',
    target varchar comment 'the bronze table',
    source_id varchar,
    position_block bigint comment 'positions 64 * position_block to 64 * position_block + 63 of the source',
    positions bigint comment 'a bit for each of these that was removed, the lowest for the first',
    event_date date comment 'of the rows that were removed; null where only a reject was',
    service varchar comment 'the same',
    actor varchar comment 'who',
    reason varchar comment 'why',
    noted_at timestamp(6) comment 'UTC'
)
comment 'Records that retention or an erasure removed, noted before they go; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

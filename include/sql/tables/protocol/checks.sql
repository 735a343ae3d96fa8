create table if not exists iceberg.bronze.checks (
    condition_key varchar comment 'kind/source; at most one episode of it is open',
    kind varchar comment 'what is the matter: stale, rejects, refused, ...',
    source varchar comment 'the contract; platform, kafka, store, or a landing prefix where it is none',
    episode bigint comment 'counts the openings of a condition, from 1; 0 of watched',
    change varchar comment 'opened | cleared | watched, since when a source is expected to have loads',
    step varchar comment 'found | retaken, by a check that another one left it to | told',
    turn bigint comment 'whose the alert is to tell: 0 the one that found it, n the n-th that took it over',
    opened_at timestamp(6) comment 'UTC, of the episode',
    cleared_at timestamp(6) comment 'UTC, of the episode; null in rows of its opening',
    since timestamp(6) comment 'UTC, since when it has been so, as far as the tables tell',
    detail varchar comment 'what was found, for people: names, counts and times',
    runbook varchar comment 'what to do',
    link varchar comment 'where to look',
    check_id varchar comment 'the check that wrote the row; empty when it tells nobody',
    run varchar comment 'dag/run/task/try of Airflow, or the program',
    recorded_at timestamp(6) comment 'UTC'
)
comment 'What was the matter with the platform, and who was told; append-only'
with (
    format = 'PARQUET',
    format_version = 2,
    max_commit_retry = 20,
    extra_properties = map(
        array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
        array['true', '20']
    )
)

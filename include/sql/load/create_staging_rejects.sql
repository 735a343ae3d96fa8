create table {{ staging | identifier }} (
    source_id varchar,
    record_position bigint,
    source varchar,
    reason varchar,
    column_name varchar,
    detail varchar,
    line bigint,
    record varbinary,
    record_bytes bigint,
    record_sha256 varchar,
    record_key varbinary,
    record_timestamp timestamp(6),
    record_headers varchar
)
with (
    format = 'PARQUET',
    external_location = {{ location | literal }}
)

create or replace view iceberg.bronze.open_rejects
comment 'The newest judgement of every bad record that bronze has no row for, and that was not removed' as
with resolved as (
    {%- for target in targets %}
    -- rejects are the side that is held in memory: bronze may be of any size
    select
        {{ target | literal }} as target,
        _source_id as source_id,
        _position as record_position
    from {{ target | identifier }}
    where (_source_id, _position) in (select source_id, record_position from iceberg.bronze.rejects)
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

unloaded as (
    select
        source_id,
        first_position,
        next_position
    from iceberg.bronze.ledger
    where kind = 'unload_intent'
),

-- what retention or an erasure removed is not open again because its row is gone
removed as (
    select
        source_id,
        position_block,
        bitwise_or_agg(positions) as positions
    from iceberg.bronze.removals
    group by source_id, position_block
),

newest as (
    select
        *,
        row_number() over (
            partition by source_id, record_position
            order by rejected_at desc, contract_fingerprint asc
        ) as age
    from iceberg.bronze.rejects
)

select
    newest.source_id,
    newest.record_position,
    newest.contract_fingerprint,
    newest.contract,
    newest.target,
    newest.load_id,
    newest.source,
    newest.reason,
    newest.column_name,
    newest.detail,
    newest.line,
    from_utf8(newest.record) as record_text,
    newest.record,
    newest.record_bytes,
    newest.record_sha256,
    newest.record_key,
    newest.record_timestamp,
    newest.record_headers,
    newest.rejected_at
from newest
left join resolved
    on
        newest.target = resolved.target
        and newest.source_id = resolved.source_id
        and newest.record_position = resolved.record_position
left join unloaded
    on
        newest.source_id = unloaded.source_id
        and newest.record_position >= unloaded.first_position
        and newest.record_position < unloaded.next_position
left join removed
    on
        newest.source_id = removed.source_id
        and newest.record_position / 64 = removed.position_block
        and bitwise_right_shift(removed.positions, cast(newest.record_position % 64 as integer)) % 2 <> 0
where
    newest.age = 1
    and resolved.source_id is null
    and unloaded.source_id is null
    and removed.source_id is null

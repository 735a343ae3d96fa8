-- What a removal took away, a row for each source: silver and gold follow it. The pin holds nothing of a load.
merge into {{ ledger | identifier }} as ledger
using (
    select
        blocks.kind,
        blocks.source_id,
        blocks.target,
        max(blocks.actor) as actor,
        max(blocks.reason) as reason,
        min(blocks.noted_at) as started_at,
        min(64 * blocks.position_block) as first_position,
        max(64 * blocks.position_block + 64) as next_position,
        sum(bit_count(blocks.positions, 64)) as records_removed,
        array_distinct(flatten(array_agg(blocks.touched))) as touched,
        max(sources.source_kind) as source_kind,
        max(sources.source) as source,
        max(sources.identity) as identity,
        max(sources.contract) as contract
    from (
        select
            kind,
            source_id,
            target,
            position_block,
            -- a record may be noted as a row and as a reject
            bitwise_or_agg(positions) as positions,
            array_agg(distinct cast(row(event_date, service) as row(event_date date, service varchar))) as touched,
            max(actor) as actor,
            max(reason) as reason,
            min(noted_at) as noted_at
        from {{ removals | identifier }}
        where removal_id = {{ bind(removal_id) }}
        group by kind, source_id, target, position_block
    ) as blocks
    left join {{ sources | identifier }} as sources on blocks.source_id = sources.source_id
    group by blocks.kind, blocks.source_id, blocks.target
) as removed
    on
        ledger.attempt between {{ bind(removal_id) }} and {{ bind(removal_id) }}
        and ledger.kind = removed.kind
        and ledger.source_id = removed.source_id
when not matched then insert (
    kind,
    source_id,
    first_position,
    next_position,
    source_kind,
    source,
    identity,
    target,
    contract,
    records_read,
    rows_loaded,
    rejects,
    touched,
    attempt,
    run,
    started_at,
    finished_at,
    actor,
    reason,
    records_removed
) values (
    removed.kind,
    removed.source_id,
    removed.first_position,
    removed.next_position,
    removed.source_kind,
    removed.source,
    removed.identity,
    removed.target,
    removed.contract,
    0,
    0,
    0,
    filter(removed.touched, pair -> pair.service is not null or pair.event_date is not null),
    {{ bind(removal_id) }},
    {{ bind(run) }},
    removed.started_at,
    {{ bind(finished_at) }},
    removed.actor,
    removed.reason,
    removed.records_removed
)

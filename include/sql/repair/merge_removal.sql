-- What a removal took away, a row for each source; silver and gold follow it. The pin holds nothing of a load.
merge into {{ ledger | identifier }} as ledger
using (
    select
        removals.kind,
        removals.source_id,
        removals.target,
        max(removals.actor) as actor,
        max(removals.reason) as reason,
        min(removals.noted_at) as started_at,
        min(64 * removals.position_block) as first_position,
        max(64 * removals.position_block + 64) as next_position,
        sum(bit_count(removals.positions, 64)) as records_removed,
        array_agg(distinct cast(
            row(removals.event_date, removals.service) as row(event_date date, service varchar)
        )) filter (where removals.service is not null or removals.event_date is not null) as touched,
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
            event_date,
            service,
            bitwise_or_agg(positions) as positions,
            max(actor) as actor,
            max(reason) as reason,
            min(noted_at) as noted_at
        from {{ removals | identifier }}
        where removal_id = {{ bind(removal_id) }}
        group by kind, source_id, target, position_block, event_date, service
    ) as removals
    left join {{ sources | identifier }} as sources on removals.source_id = sources.source_id
    group by removals.kind, removals.source_id, removals.target
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
    coalesce(removed.touched, cast(array[] as array(row(event_date date, service varchar)))),
    {{ bind(removal_id) }},
    {{ bind(run) }},
    removed.started_at,
    {{ bind(finished_at) }},
    removed.actor,
    removed.reason,
    removed.records_removed
)

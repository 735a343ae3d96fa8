-- The end of an unload: nothing of the range is there any more.
merge into {{ ledger | identifier }} as ledger
using (
    select
        source_id,
        first_position,
        next_position,
        source_kind,
        source,
        identity,
        target,
        contract,
        touched,
        attempt,
        started_at
    from {{ ledger | identifier }}
    where
        source_id = {{ bind(source_id) }}
        and kind = 'unload_intent'
        and first_position = {{ bind(first) }}
        and next_position = {{ bind(next) }}
) as begun
    on
        ledger.source_id between {{ bind(source_id) }} and {{ bind(source_id) }}
        and ledger.first_position < {{ bind(next) }}
        and ledger.next_position > {{ bind(first) }}
        and ledger.kind = 'unload'
        and ledger.source_id = begun.source_id
        and ledger.first_position = begun.first_position
        and ledger.next_position = begun.next_position
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
    reason
) values (
    'unload',
    begun.source_id,
    begun.first_position,
    begun.next_position,
    begun.source_kind,
    begun.source,
    begun.identity,
    begun.target,
    begun.contract,
    0,
    0,
    0,
    begun.touched,
    begun.attempt,
    {{ bind(run) }},
    begun.started_at,
    {{ bind(finished_at) }},
    {{ bind(actor) }},
    {{ bind(reason) }}
)

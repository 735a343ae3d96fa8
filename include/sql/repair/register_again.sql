-- A source that was taken out and is to be loaded again gets another id: the old one stays out for ever.
merge into {{ sources | identifier }} as sources
using (
    select
        source_digest,
        source_kind,
        source,
        identity,
        contract
    from {{ sources | identifier }}
    where source_id = {{ bind(source_id) }}
) as unloaded
    on
        sources.source_id between {{ bind(new_source_id) }} and {{ bind(new_source_id) }}
        and sources.source_digest = unloaded.source_digest
when not matched then insert (
    source_id,
    source_digest,
    source_kind,
    source,
    identity,
    contract,
    registered_at
) values (
    {{ bind(new_source_id) }},
    unloaded.source_digest,
    unloaded.source_kind,
    unloaded.source,
    unloaded.identity,
    unloaded.contract,
    {{ bind(registered_at) }}
)

merge into {{ sources | identifier }} as sources
using (
    select *
    from unnest(
        cast(
            json_parse({{ bind(planned) }}) as array(
                row(source_id varchar, source_digest varchar, source varchar, identity varchar)
            )
        )
    )
) as planned
    on
        sources.source_digest between {{ bind(digest_from) }} and {{ bind(digest_to) }}
        and sources.source_digest = planned.source_digest
when not matched then insert (
    source_id,
    source_digest,
    source_kind,
    source,
    identity,
    contract,
    registered_at
) values (
    planned.source_id,
    planned.source_digest,
    {{ bind(source_kind) }},
    planned.source,
    planned.identity,
    {{ bind(contract) }},
    {{ bind(registered_at) }}
)

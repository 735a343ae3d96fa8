-- An append and no merge: two rows of one refusal say the same, and an append never conflicts.
insert into {{ refusals | identifier }} (
    source_id,
    source,
    contract,
    terms,
    refused_as,
    message,
    attempt,
    run,
    refused_at
)
select
    refused.source_id,
    refused.source,
    {{ bind(contract) }},
    {{ bind(terms) }},
    refused.refused_as,
    refused.message,
    {{ bind(attempt) }},
    {{ bind(run) }},
    {{ bind(refused_at) }}
from
    unnest(
        cast(
            json_parse({{ bind(refused) }}) as array(
                row(source_id varchar, source varchar, refused_as varchar, message varchar)
            )
        )
    ) as refused
where
    not exists (
        select 1
        from {{ refusals | identifier }} as known
        where
            known.attempt = {{ bind(attempt) }}
            and known.source_id = refused.source_id
    )

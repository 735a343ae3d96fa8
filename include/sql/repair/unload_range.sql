-- What the ledger and the registry say of one source, and of the part of it that is to be taken out.
with rows_of_source as (
    select *
    from {{ ledger | identifier }}
    where source_id = {{ bind(source_id) }}
),

loads as (
    select *
    from rows_of_source
    where
        kind in ('load', 'gap')
        and first_position < {{ bind(next) }}
        and next_position > {{ bind(first) }}
),

covered as (
    select
        *,
        coalesce(
            max(next_position) over (
                order by first_position, next_position
                rows between unbounded preceding and 1 preceding
            ),
            {{ bind(first) }}
        ) as covered_until
    from loads
)

select
    (select count(*) from covered) as loads,
    (select coalesce(sum(records_read), 0) from covered) as records_read,
    (select min(first_position) from covered) as first_position,
    (select max(next_position) from covered) as next_position,
    (select bool_or(first_position > covered_until) from covered) as has_hole,
    (select array_distinct(array_agg(target)) from covered) as targets,
    (select max_by(contract, finished_at) from covered) as contract,
    (
        select array_distinct(flatten(array_agg(touched)))
        from covered
        where touched is not null
    ) as touched,
    (
        select bool_or(kind = 'unload_intent' and first_position <= {{ bind(first) }} and next_position >= {{ bind(next) }})
        from rows_of_source
    ) as is_begun,
    (
        select bool_or(kind = 'unload' and first_position <= {{ bind(first) }} and next_position >= {{ bind(next) }})
        from rows_of_source
    ) as is_ended

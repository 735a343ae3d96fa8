-- The sources of a contract that somebody names by what people call them, or by one of their loads.
with unloads as (
    select
        source_id,
        count_if(kind = 'unload_intent') > 0 as is_begun,
        count_if(kind = 'unload') > 0 as is_ended
    from {{ ledger | identifier }}
    where kind in ('unload_intent', 'unload')
    group by source_id
),

named as (
    select
        source_id,
        min(first_position) as first_position,
        max(next_position) as next_position
    from {{ ledger | identifier }}
    where kind in ('load', 'gap') and load_id = {{ bind(load_id) }}
    group by source_id
)

select
    sources.source_id,
    sources.source_kind,
    sources.source,
    sources.identity,
    named.first_position,
    named.next_position,
    coalesce(unloads.is_begun, false) as is_begun,
    coalesce(unloads.is_ended, false) as is_ended
from {{ sources | identifier }} as sources
left join unloads on sources.source_id = unloads.source_id
left join named on sources.source_id = named.source_id
where
    sources.contract = {{ bind(contract) }}
    and (sources.source = {{ bind(source) }} or named.source_id is not null)
order by sources.registered_at, sources.source_id

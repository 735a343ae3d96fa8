-- When a load last wrote something of a source, whether or not it recorded it, and when the last removal began.
with wanted as (
    select listed.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
),

signs as (
    {%- for target in targets %}
    select
        _source_id as source_id,
        _ingested_at as seen_at,
        cast(null as timestamp(6)) as removal_begun_at
    from {{ target | identifier }}
    union all
    {%- endfor %}
    select
        source_id,
        rejected_at as seen_at,
        cast(null as timestamp(6)) as removal_begun_at
    from {{ rejects | identifier }}
    union all
    select
        source_id,
        cast(null as timestamp(6)) as seen_at,
        noted_at as removal_begun_at
    from {{ removals | identifier }}
    union all
    select
        source_id,
        cast(null as timestamp(6)) as seen_at,
        coalesce(started_at, finished_at) as removal_begun_at
    from {{ ledger | identifier }}
    where kind = 'unload_intent'
)

select
    signs.source_id,
    max(signs.seen_at) as newest,
    max(signs.removal_begun_at) as newest_removal
from signs
inner join wanted on signs.source_id = wanted.source_id
group by signs.source_id

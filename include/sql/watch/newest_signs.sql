-- When a load last wrote something of a source, whether or not it recorded it.
with wanted as (
    select listed.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
),

signs as (
    {%- for target in targets %}
    select
        _source_id as source_id,
        _ingested_at as seen_at
    from {{ target | identifier }}
    union all
    {%- endfor %}
    select
        source_id,
        rejected_at as seen_at
    from {{ rejects | identifier }}
)

select
    signs.source_id,
    max(signs.seen_at) as newest
from signs
inner join wanted on signs.source_id = wanted.source_id
group by signs.source_id

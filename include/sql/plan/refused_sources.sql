with wanted as (
    select source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
)

select
    refusals.source_id,
    max_by(refusals.source, refusals.refused_at) as source,
    max_by(refusals.refused_as, refusals.refused_at) as refused_as,
    max_by(refusals.message, refusals.refused_at) as message,
    min(refusals.refused_at) as refused_at
from {{ refusals | identifier }} as refusals
inner join wanted on refusals.source_id = wanted.source_id
where refusals.terms = {{ bind(terms) }}
group by refusals.source_id

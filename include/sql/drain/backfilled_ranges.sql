-- Where reading each partition began, and what is recorded before that.
with wanted as (
    select listed.source_id
    from unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) as listed (source_id)
),

begun as (
    select
        ledger.source_id,
        min(ledger.first_position) as start_position
    from {{ ledger | identifier }} as ledger
    inner join wanted on ledger.source_id = wanted.source_id
    where ledger.kind = 'load' and ledger.first_position = ledger.next_position
    group by ledger.source_id
)

select
    begun.source_id,
    begun.start_position,
    array_agg(row(ledger.first_position, ledger.next_position)) filter (
        where ledger.first_position < begun.start_position
    ) as ranges
from begun
inner join {{ ledger | identifier }} as ledger on begun.source_id = ledger.source_id
where ledger.kind in ('load', 'gap', 'unload_intent')
group by begun.source_id, begun.start_position

select
    newest.record_position,
    newest.reason,
    newest.column_name,
    newest.detail
from (
    select
        record_position,
        reason,
        column_name,
        detail,
        row_number() over (
            partition by record_position
            order by rejected_at desc, contract_fingerprint asc
        ) as age
    from {{ rejects | identifier }}
    where source_id = {{ bind(source_id) }}
) as newest
left join (
    select _position
    from {{ target | identifier }}
    where _source_id = {{ bind(source_id) }}
) as bronze
    on newest.record_position = bronze._position
where
    newest.age = 1
    and bronze._position is null
order by newest.record_position

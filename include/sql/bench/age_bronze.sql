insert into {{ target | identifier }} (
    event_date, event_time, tenant_id, service, entity_id, _source_id, _position, _load_id, _ingested_at
) values (
    {{ bind(event_date) }},
    {{ bind(moment) }},
    'bench',
    'PGR',
    'aged',
    {{ bind(source_id) }},
    {{ bind(place) }},
    {{ bind(load) }},
    {{ bind(moment) }}
)

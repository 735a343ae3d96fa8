delete from {{ target | identifier }}
where
    _source_id = {{ bind(source_id) }}
    and _position >= {{ bind(first) }}
    and _position < {{ bind(next) }}

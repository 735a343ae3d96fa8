-- Rows that somebody wrote by hand have no place in a source, so there is nothing to note of them.
delete from {{ target | identifier }}
where
    _source_id is null
    and event_date >= {{ bind(date_from) }}
    and event_date <= {{ bind(date_to) }}

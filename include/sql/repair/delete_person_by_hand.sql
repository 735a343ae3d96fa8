-- Rows by hand that name a person: they have no place in a source, so there is nothing to note of them.
delete from {{ target | identifier }}
where
    _source_id is null
    and any_match(
        array[{{ columns | map('identifier') | join(', ') }}],
        told -> any_match(
            regexp_extract_all(lower(replace(told, '\/', '/')), {{ bind(pattern) }}, 1),
            candidate -> hmac_sha256(to_utf8(candidate), from_hex({{ bind(key) }})) = from_hex({{ bind(digest) }})
        )
    )

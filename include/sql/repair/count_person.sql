-- Rows of a table that name a person in one of these columns.
select count(*)
from {{ table | identifier }}
where
    any_match(
        array[{{ columns | map('identifier') | join(', ') }}],
        told -> any_match(
            regexp_extract_all(lower(replace(told, '\/', '/')), {{ bind(pattern) }}, 1),
            candidate -> hmac_sha256(to_utf8(candidate), from_hex({{ bind(key) }})) = from_hex({{ bind(digest) }})
        )
    )

-- Which case a build of silver changed, once every model of gold has taken that.
delete from {{ case_changes | identifier }}
where
    change_id in (
        select key
        from {{ taken_inputs | identifier }}
        where kind = 'change'
        group by key
        having
            count(distinct model) = (
                select count(distinct model) from {{ taken_inputs | identifier }} where kind = 'change'
            )
    )
    and any_match(
        array[tenant_id, complaint_id],
        told -> any_match(
            regexp_extract_all(lower(replace(told, '\/', '/')), {{ bind(pattern) }}, 1),
            candidate -> hmac_sha256(to_utf8(candidate), from_hex({{ bind(key) }})) = from_hex({{ bind(digest) }})
        )
    )

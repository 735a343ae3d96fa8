-- The records that name a person, by source, where a source of none is what was written by hand.
with ranges as (
    select
        source_id,
        first_position,
        next_position,
        coalesce(
            max(next_position) over (
                partition by source_id
                order by first_position, next_position
                rows between unbounded preceding and 1 preceding
            ),
            first_position
        ) as covered_until
    from {{ ledger | identifier }}
    where kind in ('load', 'gap') and target = {{ bind(target) }}
),

islands as (
    select
        *,
        sum(if(first_position > covered_until, 1, 0)) over (
            partition by source_id
            order by first_position, next_position
        ) as island
    from ranges
),

-- ranges that touch are one: a partition of a topic has thousands
recorded as (
    select
        source_id,
        min(first_position) as first_position,
        max(next_position) as next_position
    from islands
    group by source_id, island
),

-- rows of a replay lie in ranges that are recorded, whether or not the replay is, and its ids have a z where no other has
replays as (
    select distinct load_id
    from {{ ledger | identifier }}
    where kind = 'replay'
),

rejected as (
    select distinct
        source_id,
        record_position
    from {{ rejects | identifier }}
    where
        target = {{ bind(target) }}
        and any_match(
            array[from_utf8(record), from_utf8(record_key), record_headers, detail],
            told -> any_match(
                regexp_extract_all(lower(replace(told, '\/', '/')), {{ bind(pattern) }}, 1),
                candidate -> hmac_sha256(to_utf8(candidate), from_hex({{ bind(key) }})) = from_hex({{ bind(digest) }})
            )
        )
),

matched as (
    select
        _source_id as source_id,
        _position as record_position,
        _load_id as load_id,
        event_date,
        service,
        true as is_row
    from {{ bronze | identifier }}
    where
        any_match(
            array[{{ columns | map('identifier') | join(', ') }}],
            told -> any_match(
                regexp_extract_all(lower(replace(told, '\/', '/')), {{ bind(pattern) }}, 1),
                candidate -> hmac_sha256(to_utf8(candidate), from_hex({{ bind(key) }})) = from_hex({{ bind(digest) }})
            )
        )
        or (_source_id, _position) in (
            select
                source_id,
                record_position
            from rejected
        )
    union all
    select
        source_id,
        record_position,
        null,
        null,
        null,
        false
    from rejected
),

placed as (
    select
        matched.source_id,
        matched.is_row,
        (
            recorded.source_id is not null
            and (coalesce(substr(matched.load_id, 5, 1), '') <> 'z' or replays.load_id is not null)
        ) as is_recorded
    from matched
    left join recorded
        on
            matched.source_id = recorded.source_id
            and matched.record_position >= recorded.first_position
            and matched.record_position < recorded.next_position
    left join replays on matched.load_id = replays.load_id
)

select
    placed.source_id,
    max(sources.source) as source,
    max(sources.source_kind) as source_kind,
    max(sources.contract) as contract,
    count_if(placed.is_row) as row_count,
    count_if(not placed.is_row) as reject_count,
    count_if(placed.source_id is not null and not placed.is_recorded) as unrecorded_count
from placed
left join {{ sources | identifier }} as sources on placed.source_id = sources.source_id
group by placed.source_id
order by max(sources.source) nulls first, placed.source_id

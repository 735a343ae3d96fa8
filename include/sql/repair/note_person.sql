-- The records of loads that name a person, noted before they go. What is not recorded yet is for the next time.
insert into {{ removals | identifier }} (
    removal_id,
    kind,
    target,
    source_id,
    position_block,
    positions,
    event_date,
    service,
    actor,
    reason,
    noted_at
)
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
)

select
    {{ bind(removal_id) }},
    'erasure',
    {{ bind(target) }},
    matched.source_id,
    matched.record_position / 64,
    bitwise_or_agg(bitwise_left_shift(bigint '1', cast(matched.record_position % 64 as integer))),
    matched.event_date,
    matched.service,
    {{ bind(actor) }},
    {{ bind(reason) }},
    {{ bind(noted_at) }}
from matched
inner join recorded
    on
        matched.source_id = recorded.source_id
        and matched.record_position >= recorded.first_position
        and matched.record_position < recorded.next_position
left join replays on matched.load_id = replays.load_id
where coalesce(substr(matched.load_id, 5, 1), '') <> 'z' or replays.load_id is not null
group by matched.source_id, matched.record_position / 64, matched.event_date, matched.service

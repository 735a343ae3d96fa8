-- The rows of some days that loads recorded, noted before they go. What is not recorded yet is for the next retention.
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
)

select
    {{ bind(removal_id) }},
    'retention',
    {{ bind(target) }},
    bronze._source_id,
    bronze._position / 64,
    bitwise_or_agg(bitwise_left_shift(bigint '1', cast(bronze._position % 64 as integer))),
    bronze.event_date,
    bronze.service,
    {{ bind(actor) }},
    {{ bind(reason) }},
    {{ bind(noted_at) }}
from {{ bronze | identifier }} as bronze
inner join recorded
    on
        bronze._source_id = recorded.source_id
        and bronze._position >= recorded.first_position
        and bronze._position < recorded.next_position
left join replays on bronze._load_id = replays.load_id
where
    bronze.event_date >= {{ bind(date_from) }}
    and bronze.event_date <= {{ bind(date_to) }}
    and (coalesce(substr(bronze._load_id, 5, 1), '') <> 'z' or replays.load_id is not null)
group by bronze._source_id, bronze._position / 64, bronze.event_date, bronze.service

-- The rows of a feed in the order they arrived: sources as listed, rows by position. What was late shows in it.
with listed as (
    select
        sources.source_id,
        sources.place
    from
        unnest(cast(json_parse({{ bind(source_ids) }}) as array(varchar))) with ordinality
            as sources (source_id, place)
),

events as (
    select
        listed.place,
        bronze._position,
        bronze.event_type,
        bronze.event_time,
        json_extract_scalar(bronze.attributes_json, '$.event_id') as event_id
    from iceberg.bronze.service_events_raw as bronze
    inner join listed on bronze._source_id = listed.source_id
),

deliveries as (
    select
        *,
        row_number() over (partition by event_id order by place asc, _position asc) as delivery
    from events
),

compared as (
    select
        event_type,
        delivery,
        if(
            delivery = 1,
            date_diff(
                'millisecond',
                event_time,
                max(if(delivery = 1, event_time)) over (
                    order by place asc, _position asc rows between unbounded preceding and 1 preceding
                )
            )
        ) as milliseconds_behind
    from deliveries
)

select
    event_type,
    count_if(delivery = 1) as distinct_events,
    count_if(delivery > 1) as duplicates,
    count_if(milliseconds_behind >= 86400000) as late,
    count_if(milliseconds_behind > 0 and milliseconds_behind < 86400000) as out_of_order
from compared
group by event_type
order by event_type asc

-- Days of a bronze table that are older than what is kept, oldest first.
select
    event_date,
    count(*) as row_count
from {{ target | identifier }}
where event_date < {{ bind(before) }}
group by event_date
order by event_date

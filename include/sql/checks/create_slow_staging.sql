create or replace view {{ view | identifier }} as
select *
from {{ table | identifier }}
where (
    select count(*)
    from unnest(sequence(1, 10000)) as ones (one)
    cross join unnest(sequence(1, 1000)) as others (other)
    cross join unnest(sequence(1, {{ rounds }})) as rounds (round)
    where ones.one * others.other + rounds.round > 0
) > 0

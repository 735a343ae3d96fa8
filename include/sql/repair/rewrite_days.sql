alter table {{ target | identifier }} execute optimize (file_size_threshold => '1B')
where
event_date >= cast({{ date_from | literal }} as date)
and event_date <= cast({{ date_to | literal }} as date)

alter table {{ target | identifier }} execute optimize (file_size_threshold => '1B')
where event_date is null

-- Files with deleted rows, of some days, without them; a file of which no row is left goes. No file is below a byte.
alter table {{ target | identifier }} execute optimize (file_size_threshold => '1B')
where
    event_date >= cast({{ date_from | literal }} as date)
    and event_date <= cast({{ date_to | literal }} as date)

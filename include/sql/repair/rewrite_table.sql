-- Files with deleted rows without them: what was deleted is in no file of the table as it is now.
alter table {{ table | identifier }} execute optimize (file_size_threshold => '1B')

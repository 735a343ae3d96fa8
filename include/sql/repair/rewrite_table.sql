alter table {{ table | identifier }} execute optimize (file_size_threshold => '1B')

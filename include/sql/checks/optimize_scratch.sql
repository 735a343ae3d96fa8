alter table {{ table | identifier }} execute optimize

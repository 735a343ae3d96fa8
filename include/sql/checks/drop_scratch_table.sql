drop table if exists {{ table | identifier }}

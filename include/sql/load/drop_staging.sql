drop table if exists {{ staging | identifier }}

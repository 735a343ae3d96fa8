drop schema if exists {{ schema | identifier }}

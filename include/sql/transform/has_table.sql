select count(*)
from {{ tables | identifier }}
where table_schema = {{ bind(schema) }} and table_name = {{ bind(table) }}

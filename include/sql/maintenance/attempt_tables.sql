select table_name
from {{ staging_catalog | identifier }}.information_schema.tables
where table_schema = {{ bind(schema) }}

select
    comment as checksum,
    schema_name || '.' || table_name as seed
from system.metadata.table_comments
where catalog_name = {{ bind(catalog) }} and schema_name = {{ bind(schema) }}

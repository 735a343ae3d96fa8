select
    column_name,
    data_type
from {{ catalog | identifier }}.information_schema.columns
where
    table_schema = {{ bind(schema) }}
    and table_name = {{ bind(table) }}
order by ordinal_position

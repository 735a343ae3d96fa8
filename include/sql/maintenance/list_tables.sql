select table_schema || '.' || table_name
from {{ catalog | identifier }}.information_schema.tables
where
    table_type = 'BASE TABLE'
    and contains(split({{ bind(schemas) }}, ','), table_schema)
order by 1

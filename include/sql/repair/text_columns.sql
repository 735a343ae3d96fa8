-- The texts of the tables of some schemas, but for those that a model is being built in.
select
    texts.table_schema,
    texts.table_name,
    array_agg(texts.column_name order by texts.ordinal_position) as column_names
from {{ information_columns | identifier }} as texts
inner join {{ information_tables | identifier }} as listed
    on
        texts.table_schema = listed.table_schema
        and texts.table_name = listed.table_name
where
    listed.table_type = 'BASE TABLE'
    and contains(split({{ bind(schemas) }}, ','), texts.table_schema)
    and texts.data_type like 'varchar%'
    and position('__' in texts.table_name) = 0
group by texts.table_schema, texts.table_name
order by texts.table_schema, texts.table_name

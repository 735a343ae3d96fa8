select
    key,
    value
from {{ properties_table | identifier }}

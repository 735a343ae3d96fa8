select *
from {{ partitions_table | identifier }}

select *
from {{ (table ~ '$partitions') | identifier }}

-- Records of an erasure of the same bytes, under whatever ids they were loaded.
select coalesce(sum(bit_count(removals.positions, 64)), 0)
from {{ removals | identifier }} as removals
inner join {{ sources | identifier }} as erased on removals.source_id = erased.source_id
inner join {{ sources | identifier }} as asked on erased.source_digest = asked.source_digest
where removals.kind = 'erasure' and asked.source_id = {{ bind(source_id) }}

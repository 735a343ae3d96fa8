-- Every judgement of the records that a removal noted, with their originals.
delete from {{ rejects | identifier }}
where
    (source_id, record_position) in (
        select
            removals.source_id,
            64 * removals.position_block + bits.bit
        from {{ removals | identifier }} as removals
        cross join unnest(sequence(bigint '0', 63)) as bits (bit)
        where
            removals.removal_id = {{ bind(removal_id) }}
            and bitwise_right_shift(removals.positions, cast(bits.bit as integer)) % 2 <> 0
    )

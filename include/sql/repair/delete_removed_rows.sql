-- The rows that a removal noted, wherever in these days they are.
delete from {{ target | identifier }}
where
    (_source_id, _position) in (
        select
            removals.source_id,
            64 * removals.position_block + bits.bit
        from {{ removals | identifier }} as removals
        cross join unnest(sequence(bigint '0', 63)) as bits (bit)
        where
            removals.removal_id = {{ bind(removal_id) }}
            and bitwise_right_shift(removals.positions, cast(bits.bit as integer)) % 2 <> 0
    )
    and (
        (event_date >= cast({{ bind(date_from) }} as date) and event_date <= cast({{ bind(date_to) }} as date))
        or ({{ bind(has_undated) }} and event_date is null)
    )

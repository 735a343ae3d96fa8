create or replace view iceberg.bronze.certificate
comment 'Per source and target: ranges, gaps, overlaps, and records read against rows, open rejects and what was removed' as
with unloaded as (
    select
        source_id,
        target,
        first_position,
        next_position,
        count_if(kind = 'unload') > 0 as is_ended
    from iceberg.bronze.ledger
    where kind in ('unload_intent', 'unload')
    group by source_id, target, first_position, next_position
),

unfinished as (
    select
        source_id,
        target,
        count(*) as unloads
    from unloaded
    where not is_ended
    group by source_id, target
),

taken_out as (
    select distinct
        loads.source_id,
        loads.first_position,
        loads.next_position
    from iceberg.bronze.ledger as loads
    inner join unloaded
        on
            loads.source_id = unloaded.source_id
            and loads.first_position >= unloaded.first_position
            and loads.next_position <= unloaded.next_position
    where loads.kind in ('load', 'gap')
),

recorded as (
    select
        ledger.*,
        taken_out.source_id is not null as is_unloaded,
        -- where reading a partition began is an empty range: what was backfilled before it need not reach to it
        min(if(ledger.source_kind = 'partition' and ledger.first_position = ledger.next_position, ledger.first_position))
            over (partition by ledger.source_id, ledger.target) as start_position
    from iceberg.bronze.ledger as ledger
    left join taken_out
        on
            ledger.source_id = taken_out.source_id
            and ledger.first_position = taken_out.first_position
            and ledger.next_position = taken_out.next_position
    where ledger.kind in ('load', 'gap')
),

ranges as (
    select
        source_id,
        target,
        source,
        source_kind,
        contract,
        first_position,
        next_position,
        end_position,
        is_unloaded,
        start_position is not null and first_position <= start_position as is_before_start,
        if(is_unloaded, 0, records_read) as records_read,
        finished_at,
        -- the positions before a file's first range are missing too; a partition may start anywhere
        coalesce(
            max(next_position) over (
                partition by source_id, target
                order by first_position, next_position
                rows between unbounded preceding and 1 preceding
            ),
            if(source_kind = 'partition', first_position, 0)
        ) as covered_until
    from recorded
),

ledgered as (
    select
        source_id,
        target,
        max_by(source, finished_at) as source,
        max_by(contract, finished_at) as contract,
        max(source_kind) as source_kind,
        count(*) as ranges,
        min(first_position) as first_position,
        max(next_position) as next_position,
        max(end_position) as end_position,
        count_if(is_unloaded) as ranges_unloaded,
        sum(if(is_before_start, 0, greatest(first_position - covered_until, 0))) as gap_positions,
        sum(greatest(least(covered_until, next_position) - first_position, 0)) as overlap_positions,
        sum(records_read) as records_read,
        max(finished_at) as finished_at
    from ranges
    group by source_id, target
),

-- what retention or an erasure removed, but for ranges that were taken out since, which count nothing any more
removed as (
    select
        removals.source_id,
        removals.target,
        removals.position_block,
        bitwise_and(
            bitwise_or_agg(removals.positions),
            -- the bits from the beginning of the range on, without those from its end on
            bitwise_not(coalesce(bitwise_or_agg(bitwise_xor(
                bitwise_left_shift(
                    bigint '-1', cast(least(unloaded.next_position - 64 * removals.position_block, 64) as integer)
                ),
                bitwise_left_shift(
                    bigint '-1', cast(greatest(unloaded.first_position - 64 * removals.position_block, 0) as integer)
                )
            )), 0))
        ) as positions
    from iceberg.bronze.removals as removals
    left join unloaded
        on
            removals.source_id = unloaded.source_id
            and unloaded.first_position < 64 * removals.position_block + 64
            and unloaded.next_position > 64 * removals.position_block
    group by removals.source_id, removals.target, removals.position_block
),

keyed as (
    {%- for target in targets %}
    select
        {{ target | literal }} as target,
        source_id,
        sum(row_count) as bronze_rows,
        sum(row_count - bit_count(coalesce(positions, 0), 64)) as doubled_rows,
        sum(bit_count(bitwise_and(removed, bitwise_not(coalesce(positions, 0))), 64)) as removed_records,
        sum(bit_count(bitwise_and(removed, coalesce(positions, 0)), 64)) as removed_rows_there
    from (
        select
            source_id,
            sum(row_count) as row_count,
            -- a bit for each position: 64 of them take the memory of one
            bitwise_or_agg(positions) as positions,
            coalesce(bitwise_or_agg(removed), 0) as removed
        from (
            select
                _source_id as source_id,
                _position / 64 as position_block,
                1 as row_count,
                bitwise_left_shift(bigint '1', cast(_position % 64 as integer)) as positions,
                cast(null as bigint) as removed
            from {{ target | identifier }}
            union all
            select
                source_id,
                position_block,
                0,
                null,
                positions
            from removed
            where target = {{ target | literal }}
        )
        group by source_id, position_block
    )
    group by source_id
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

rejected as (
    select
        source_id,
        target,
        count(*) as open_rejects
    from iceberg.bronze.open_rejects
    group by source_id, target
),

-- each count is named once: every further mention would read bronze again
counted as (
    select
        source_id,
        target,
        sum(bronze_rows) as bronze_rows,
        sum(doubled_rows) as doubled_rows,
        sum(open_rejects) as open_rejects,
        sum(unloads) as unfinished_unloads,
        sum(removed_records) as removed_records,
        sum(removed_rows_there) as removed_rows_there
    from (
        select
            source_id,
            target,
            bronze_rows,
            -- rows written by hand have no position
            if(source_id is null, 0, doubled_rows) as doubled_rows,
            0 as open_rejects,
            0 as unloads,
            removed_records,
            removed_rows_there
        from keyed
        union all
        select
            source_id,
            target,
            0,
            0,
            open_rejects,
            0,
            0,
            0
        from rejected
        union all
        select
            source_id,
            target,
            0,
            0,
            0,
            unloads,
            0,
            0
        from unfinished
    )
    group by source_id, target
),

accounts as (
    select
        coalesce(ledgered.source_id, counted.source_id) as source_id,
        coalesce(ledgered.target, counted.target) as target,
        ledgered.source,
        ledgered.contract,
        coalesce(ledgered.ranges, 0) as ranges,
        coalesce(ledgered.ranges_unloaded, 0) as ranges_unloaded,
        ledgered.first_position,
        ledgered.next_position,
        ledgered.end_position,
        -- a partition has no end; the end of anything else is in the ledger row of its last range
        ledgered.source_kind <> 'partition'
        and ledgered.ranges_unloaded < ledgered.ranges
        and coalesce(ledgered.end_position > ledgered.next_position, true) as is_partial,
        coalesce(ledgered.gap_positions, 0) as gap_positions,
        coalesce(ledgered.overlap_positions, 0) as overlap_positions,
        coalesce(ledgered.records_read, 0) as records_read,
        coalesce(counted.bronze_rows, 0) as bronze_rows,
        coalesce(counted.doubled_rows, 0) as doubled_rows,
        coalesce(counted.open_rejects, 0) as open_rejects,
        coalesce(counted.unfinished_unloads, 0) as unfinished_unloads,
        coalesce(counted.removed_records, 0) as removed_records,
        coalesce(counted.removed_rows_there, 0) as removed_rows_there,
        ledgered.finished_at
    from ledgered
    full outer join counted
        on ledgered.source_id = counted.source_id and ledgered.target = counted.target
)

select
    accounts.source_id,
    accounts.target,
    if(
        accounts.source_id is null,
        'rows written by hand',
        coalesce(accounts.source, registered.source)
    ) as source,
    coalesce(accounts.contract, registered.contract) as contract,
    accounts.ranges,
    accounts.first_position,
    accounts.next_position,
    accounts.end_position,
    accounts.gap_positions,
    accounts.overlap_positions,
    accounts.records_read,
    accounts.bronze_rows,
    accounts.doubled_rows,
    accounts.open_rejects,
    accounts.finished_at,
    if(
        accounts.source_id is null,
        '',
        array_join(filter(
            array[
                if(accounts.ranges = 0, 'rows or rejects without a ledger row'),
                if(accounts.gap_positions > 0, 'gap'),
                if(accounts.overlap_positions > 0, 'overlap'),
                if(accounts.is_partial, 'not read to its end'),
                if(accounts.doubled_rows > 0, 'doubled rows'),
                if(accounts.unfinished_unloads > 0, 'unload not finished'),
                if(accounts.removed_rows_there > 0, 'removal not finished'),
                if(
                    accounts.records_read
                    > accounts.bronze_rows + accounts.open_rejects + accounts.removed_records,
                    'rows missing'
                ),
                if(
                    accounts.records_read
                    < accounts.bronze_rows + accounts.open_rejects + accounts.removed_records,
                    'more rows than records'
                )
            ],
            problem -> problem is not null
        ), ', ')
    ) as problems,
    accounts.ranges_unloaded,
    accounts.removed_records
from accounts
left join iceberg.bronze.sources as registered
    on accounts.source_id = registered.source_id

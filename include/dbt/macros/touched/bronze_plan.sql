{#-
What of bronze silver has not taken, as of one snapshot of the ledger and one of bronze.

ledger_snapshot, bronze_snapshot: what is read; the ledger is looked at first, so that bronze has all of its loads.
full: everything is read.
load_dates: event dates of rows that loads not yet taken added.
hand_dates: event dates where somebody who is no load added rows.
changed_dates: event dates from which rows may have gone (a load taken out again, a delete by hand): read whole.
other_dates: event dates of other copies of events whose row lies in `changed_dates`.
chunks: in how many shares the events are taken, so that none holds more than the var `events_at_once`.
nothing: none of these.

A date is null in these lists where bronze has no date.
-#}
{%- macro bronze_plan(settings) -%}
    {%- set bronze = source('bronze', 'service_events_raw') -%}
    {%- set ledger = source('bronze', 'ledger') -%}
    {%- if not execute -%}
        {{ return({'takes': 'bronze', 'full': true}) }}
    {%- endif -%}
    {%- set snapshots = current_snapshots([ledger, bronze]) -%}
    {%- set plan = {
        'takes': 'bronze',
        'full': must_rebuild(stored_relation(), settings),
        'settings': settings,
        'bronze': [bronze.database, bronze.schema, bronze.identifier] | join('.'),
        'ledger': ledger | string,
        'ledger_snapshot': snapshots[0],
        'bronze_snapshot': snapshots[1],
    } -%}
    {%- if not plan.full -%}
        {%- do plan.update(touched_by_loads(plan)) -%}
        {%- do plan.update(touched_by_hand(bronze, plan)) -%}
        {%- do plan.update({'other_dates': other_copies(stored_relation(), plan.changed_dates)}) -%}
        {%- do plan.update({'nothing': not (plan.load_dates or plan.hand_dates or plan.changed_dates)}) -%}
    {%- elif plan.bronze_snapshot -%}
        {%- set events = run_query("select count(*) from " ~ bronze ~ at_snapshot(plan.bronze_snapshot)).rows[0][0] -%}
        {%- do plan.update({'chunks': 1 + events // var('events_at_once')}) -%}
    {%- endif -%}
    {{ return(plan) }}
{%- endmacro -%}

{#- Rows of the ledger that silver has not taken, as common table expressions. -#}
{%- macro untaken_loads(plan) -%}
    ledger as (
        select ledger.*
        from {{ plan.ledger }}{{ at_snapshot(plan.ledger_snapshot) }} as ledger
        where ledger.target = '{{ plan.bronze }}'
    ),

    untaken as (
        select ledger.*
        from ledger
        where {{ ledger_key() }} not in ({{ taken_keys('load') }})
    )
{%- endmacro -%}

{%- macro touched_by_loads(plan) -%}
    {%- if not plan.ledger_snapshot -%}
        {{ return({'load_dates': [], 'changed_dates': []}) }}
    {%- endif -%}
    {%- set found = run_query("
        with " ~ untaken_loads(plan) ~ ",

        -- an unload concerns all that was loaded of its range; retention and erasure name what they took
        pairs as (
            select
                untaken.kind in ('load', 'replay', 'gap') as is_addition,
                untaken.touched
            from untaken
            union all
            select
                false,
                ledger.touched
            from untaken
            inner join ledger
                on
                    untaken.source_id = ledger.source_id
                    and untaken.first_position < ledger.next_position
                    and untaken.next_position > ledger.first_position
            where
                untaken.kind not in ('load', 'replay', 'gap', 'retention', 'erasure')
                and ledger.kind in ('load', 'replay')
        )

        select distinct
            pairs.is_addition,
            cast(pair.event_date as varchar)
        from pairs
        cross join unnest(pairs.touched) as pair (event_date, service)
        where upper(pair.service) = 'PGR'
    ") -%}
    {%- set load_dates = [] -%}
    {%- set changed_dates = [] -%}
    {%- for row in found.rows -%}
        {%- do (load_dates if row[0] else changed_dates).append(row[1] | string if row[1] else none) -%}
    {%- endfor -%}
    {{ return({'load_dates': load_dates, 'changed_dates': changed_dates}) }}
{%- endmacro -%}

{#-
Snapshots of bronze that no load of the ledger made, since the last one that silver looked at. The history of a table
is one line, so "since" is exact. A snapshot of a load that has no ledger row yet is among them, and does no harm.
-#}
{%- macro touched_by_hand(bronze, plan) -%}
    {%- set result = {'hand_dates': [], 'changed_dates': plan.changed_dates} -%}
    {%- set found = run_query("
        with taken as (
            " ~ taken_keys('snapshot') ~ "
        ),

        snapshots as (
            select
                snapshots.*,
                cast(snapshots.snapshot_id as varchar) in (select key from taken) as is_taken,
                cast(snapshots.parent_id as varchar) in (select key from taken) as follows_taken
            from " ~ metadata_table(bronze, 'snapshots') ~ " as snapshots
        ),

        unseen as (
            select *
            from snapshots
            where committed_at > (
                select coalesce(max(committed_at), timestamp '0001-01-01 00:00:00 UTC') from snapshots where is_taken
            )
        ),

        unknown as (
            select *
            from unseen
            where
                operation <> 'replace'
                and coalesce(element_at(summary, 'changed-partition-count'), '1') <> '0'
                and coalesce(element_at(summary, 'trino_query_id'), '') not in (
                    select query_id
                    from " ~ plan.ledger ~ at_snapshot(plan.ledger_snapshot) ~ "
                    where query_id is not null
                )
        )

        select
            cast(snapshot_id as varchar) as snapshot_id,
            element_at(summary, 'deleted-data-files') is not null
            or element_at(summary, 'added-delete-files') is not null
            or element_at(summary, 'removed-delete-files') is not null as takes_away,
            false as is_gap
        from unknown
        union all
        select
            null,
            false,
            true
        where
            exists (select 1 from unseen)
            and not exists (select 1 from unseen where coalesce(follows_taken, false))
            and not exists (select 1 from snapshots where is_taken)
    ") -%}
    {%- set is_gap = [] -%}
    {%- set added = [] -%}
    {%- set takes_away = [] -%}
    {%- for row in found.rows -%}
        {%- do (is_gap if row[2] else takes_away if row[1] else added).append(row[0]) -%}
    {%- endfor -%}
    {%- if added -%}
        {%- do result.update({'hand_dates': dates_of_snapshots(bronze, added)}) -%}
    {%- endif -%}
    {%- if takes_away -%}
        {%- do result.update({'changed_dates': result.changed_dates + dates_of_snapshots(bronze, takes_away)}) -%}
    {%- endif -%}
    {%- if is_gap -%}
        {#- Snapshots expired before they were looked at: every date that has, or had, a row written by hand. -#}
        {%- do log(model.name ~ ': snapshots of bronze expired unseen; reading all rows written by hand again', info=true) -%}
        {%- set dates = run_query("
            select distinct cast(event_date as varchar)
            from (
                select event_date
                from " ~ bronze ~ at_snapshot(plan.bronze_snapshot) ~ "
                where _source_id is null and upper(service) = 'PGR'
                union all
                select event_date
                from " ~ stored_relation() ~ "
                where _source_id is null
            )
        ") -%}
        {%- do result.update({'changed_dates': result.changed_dates + dates_in(dates)}) -%}
    {%- endif -%}
    {%- do result.update({'changed_dates': result.changed_dates | unique | list}) -%}
    {{ return(result) }}
{%- endmacro -%}

{#- Event dates of the files that snapshots added or removed. -#}
{%- macro dates_of_snapshots(bronze, snapshots) -%}
    {%- set found = run_query("
        select distinct cast(data_file.partition.event_date as varchar)
        from " ~ metadata_table(bronze, 'all_entries') ~ "
        where
            snapshot_id in (" ~ snapshots | join(', ') ~ ")
            and status in (1, 2)
            and upper(data_file.partition.service) = 'PGR'
    ") -%}
    {{ return(dates_in(found)) }}
{%- endmacro -%}

{%- macro dates_in(table) -%}
    {%- set dates = [] -%}
    {%- for row in table.rows -%}
        {%- do dates.append(row[0] | string if row[0] else none) -%}
    {%- endfor -%}
    {{ return(dates) }}
{%- endmacro -%}

{#- An event whose row may have gone is still there if another copy of it is. -#}
{%- macro other_copies(stored, changed_dates) -%}
    {%- if not changed_dates -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = run_query("
        select distinct cast(copy.event_date as varchar)
        from " ~ stored ~ " as stored
        cross join unnest(stored._copy_dates) as copy (event_date)
        where
            cardinality(stored._copy_dates) > 1
            and " ~ date_in('stored.event_date', changed_dates) ~ "
            and not coalesce(" ~ date_in('copy.event_date', changed_dates) ~ ", false)
    ") -%}
    {{ return(dates_in(found)) }}
{%- endmacro -%}

{#- Whether a column is one of the dates; they are literals, so that the engine reads their partitions only. -#}
{%- macro date_in(column, dates) -%}
    {%- set known = dates | reject('none') | sort -%}
    {%- set parts = [] -%}
    {%- if known -%}
        {%- do parts.append(column ~ " in (date '" ~ known | join("', date '") ~ "')") -%}
    {%- endif -%}
    {%- if known | length < dates | length -%}
        {%- do parts.append(column ~ " is null") -%}
    {%- endif -%}
    {{ return('(' ~ (parts | join(' or ') or 'false') ~ ')') }}
{%- endmacro -%}

{{
    config(
        materialized='touched',
        unique_key=['tenant_id', 'event_id'],
        partitioning=['month(event_date_local)'],
        records_changes=true,
    )
}}
{%- set plan = bronze_plan(settings_digest(
    [(ref('tenant_zones'), ['tenant_prefix', 'time_zone']), (ref('channels'), ['spelling', 'channel'])],
    [var('default_time_zone'), silver_columns()]
)) %}
{{ plan_comment(plan) }}
with

bronze as (
    select *
    from {{ source('bronze', 'service_events_raw') }}{{ at_snapshot(plan.bronze_snapshot) }}
    where
        upper(service) = 'PGR'
        and lower(entity_type) = 'complaint'
        and tenant_id is not null
        and entity_id is not null
        and event_time is not null
        and event_type is not null
),

tenant_zones as (
    select * from {{ ref('tenant_zones') }}
),

channels as (
    select * from {{ ref('channels') }}
),

{% if not plan.full -%}
stored as (
    select * from {{ stored_relation() }}
),

{% endif -%}
{% if plan.load_dates -%}
{{ untaken_loads(plan) }},

loaded_ranges as (
    select
        source_id,
        min(first_position) as first_position,
        max(next_position) as next_position
    from untaken
    where kind in ('load', 'replay', 'gap')
    group by source_id
),

{% endif -%}
-- Rows of bronze that silver has to look at; a row that is concerned in two ways comes twice.
touched as (
    {%- set parts = [] %}
    {%- if plan.full or plan.nothing %}
    select *
    from bronze
    where {{ 'true' if plan.full else 'false' }}
    {%- endif %}
    {%- if plan.load_dates %}
    {%- do parts.append('loads') %}
    select bronze.*
    from bronze
    inner join loaded_ranges
        on
            bronze._source_id = loaded_ranges.source_id
            and bronze._position >= loaded_ranges.first_position
            and bronze._position < loaded_ranges.next_position
    where {{ date_in('bronze.event_date', plan.load_dates) }}
    {%- endif %}
    {%- if plan.hand_dates %}
    {{- '\n    union all' if parts }}
    {%- do parts.append('hand') %}
    select *
    from bronze
    where _source_id is null and {{ date_in('event_date', plan.hand_dates) }}
    {%- endif %}
    {%- if plan.changed_dates %}
    {{- '\n    union all' if parts }}
    -- dates from which rows may have gone, and dates of other copies of what was there
    select *
    from bronze
    where {{ date_in('event_date', plan.changed_dates + plan.other_dates) }}
    {%- endif %}
),

named as (
    select
        *,
        coalesce(
            nullif(trim(json_extract_scalar(attributes_json, '$.event_id')), ''),
            nullif(trim(json_extract_scalar(attributes_json, '$.eventId')), ''),
            nullif(trim(json_extract_scalar(raw_payload, '$.event_id')), ''),
            nullif(trim(json_extract_scalar(raw_payload, '$.eventId')), ''),
            {{ digest_of([
                'tenant_id',
                'entity_id',
                'cast(event_time as varchar)',
                'event_type',
                'status',
                'actor_type',
                'actor_id',
                'channel',
                'ward_id',
                'locality_id',
                'coalesce(json_format(try(json_parse(attributes_json))), attributes_json)',
            ]) }}
        ) as event_id,
        -- sorts by (_ingested_at, _source_id, _position), nulls last, then by all that a row written by hand says
        concat_ws(
            '/',
            coalesce(cast(_ingested_at as varchar), '~'),
            coalesce(_source_id, '~'),
            coalesce(lpad(cast(_position as varchar), 19, '0'), '~'),
            if(
                _source_id is null,
                {{ digest_of([
                    'cast(event_date as varchar)',
                    'cast(event_time as varchar)',
                    'tenant_id',
                    'service',
                    'entity_type',
                    'entity_id',
                    'event_type',
                    'status',
                    'actor_type',
                    'actor_id',
                    'channel',
                    'ward_id',
                    'locality_id',
                    'attributes_json',
                    'raw_payload',
                ]) }},
                ''
            )
        ) as _arrival
    from touched
),

identified as (
    select *
    from named
    where {{ in_chunk('event_id') }}
),

-- Most events come once, and need not be held in memory together: what comes again is looked for by a short hash.
repeated as (
    select {{ hash_of("concat(tenant_id, '/', event_id)") }} as event_hash
    from identified
    group by {{ hash_of("concat(tenant_id, '/', event_id)") }}
    having count(*) > 1
),

copied as (
    select
        identified.*,
        -- rows written by hand that say the same sort the same, and any of them will do
        row_number() over (
            partition by identified.tenant_id, identified.event_id
            order by identified._arrival
        ) as arrival_number,
        array_agg(identified.event_date) over (
            partition by identified.tenant_id, identified.event_id
        ) as copy_dates
    from identified
    inner join repeated
        on {{ hash_of("concat(identified.tenant_id, '/', identified.event_id)") }} = repeated.event_hash
),

first_arrivals as (
    select
        identified.*,
        1 as arrival_number,
        array[identified.event_date] as copy_dates
    from identified
    left join repeated
        on {{ hash_of("concat(identified.tenant_id, '/', identified.event_id)") }} = repeated.event_hash
    where repeated.event_hash is null
    union all
    select *
    from copied
    where arrival_number = 1
),

zoned as (
    select
        tenants.tenant_id,
        max_by(tenant_zones.time_zone, length(tenant_zones.tenant_prefix)) as time_zone
    from (select distinct tenant_id from touched) as tenants
    inner join tenant_zones on {{ lies_under('tenants.tenant_id', 'tenant_zones.tenant_prefix') }}
    group by tenants.tenant_id
),

parsed as (
    select
        *,
        -- an object, each key of which is there once; null for anything else
        try(cast(json_parse(attributes_json) as map(varchar, json))) as attributes
    from first_arrivals
),

extracted as (
    select
        *,
        attributes_json is not null and attributes is null as has_invalid_attributes,
        {%- for key in ['complaint_type', 'priority', 'from_status', 'to_status', 'department', 'digit_status'] %}
        nullif(trim(json_extract_scalar(element_at(attributes, '{{ key }}'), '$')), '') as {{ key }},
        {%- endfor %}
        try_cast(json_extract_scalar(element_at(attributes, 'sla_hours'), '$') as double) as sla_hours,
        try_cast(json_extract_scalar(element_at(attributes, 'rating'), '$') as double) as rating,
        try_cast(json_extract_scalar(element_at(attributes, 'active'), '$') as boolean) as is_active,
        nullif(regexp_replace(upper(trim(channel)), '[^\p{L}\p{N}]+', '_'), '') as channel_spelling
    from parsed
),

renamed as (
    select
        ---------- ids
        extracted.event_id,
        extracted.tenant_id,
        split_part(extracted.tenant_id, '.', 1) as tenant_root,
        extracted.entity_id as complaint_id,

        ---------- strings
        extracted.event_type,
        upper(trim(extracted.status)) as status,
        extracted.actor_type,
        extracted.actor_id,
        coalesce(channels.channel, extracted.channel_spelling) as channel,
        extracted.channel as channel_original,
        extracted.ward_id,
        extracted.locality_id,
        extracted.complaint_type,
        extracted.priority,
        extracted.from_status,
        extracted.to_status,
        extracted.digit_status,
        extracted.department,
        coalesce(zoned.time_zone, '{{ var('default_time_zone') }}') as time_zone,

        ---------- numerics
        if(extracted.sla_hours > 0 and extracted.sla_hours < 100000, extracted.sla_hours) as sla_hours,
        if(extracted.rating between 1 and 5, cast(extracted.rating as integer)) as rating,

        ---------- booleans
        extracted.has_invalid_attributes,
        extracted.is_active,

        ---------- dates and times
        extracted.event_time,
        extracted.event_date,
        cast(
            at_timezone(
                with_timezone(extracted.event_time, 'UTC'),
                coalesce(zoned.time_zone, '{{ var('default_time_zone') }}')
            ) as date
        ) as event_date_local,

        ---------- where it came from
        extracted._source_id,
        extracted._position,
        extracted._load_id,
        extracted._ingested_at,
        extracted._arrival,
        array_sort(array_distinct(extracted.copy_dates)) as _copy_dates
    from extracted
    left join zoned on extracted.tenant_id = zoned.tenant_id
    left join channels on extracted.channel_spelling = channels.spelling
),
{%- if plan.full %}

final as (
    select * from renamed
)
{%- else %}

{%- if plan.changed_dates %}

known as (
    select stored.*
    from stored
    inner join renamed
        on
            stored.tenant_id = renamed.tenant_id
            and stored.event_id = renamed.event_id
    union distinct
    select *
    from stored
    where
        any_match(_copy_dates, copy_date -> coalesce({{ date_in('copy_date', plan.changed_dates) }}, false))
        and {{ in_chunk('event_id') }}
),
{%- endif %}

compared as (
    select
        coalesce(renamed.tenant_id, known.tenant_id) as key_tenant_id,
        coalesce(renamed.event_id, known.event_id) as key_event_id,
        {%- for column in silver_columns() %}
        renamed.{{ column }} as fresh_{{ column }},
        known.{{ column }} as known_{{ column }},
        {%- endfor %}
        known.event_id is not null as is_known,
        -- what lay in a date that is read whole counts only if it was found there again
        known.event_id is not null
        and not coalesce({{ date_in('known.event_date', plan.changed_dates) }}, false)
        and coalesce(known._arrival <= renamed._arrival, true) as is_first_known,
        array_sort(
            array_union(
                coalesce(renamed._copy_dates, array[]),
                filter(
                    coalesce(known._copy_dates, array[]),
                    copy_date -> not coalesce({{ date_in('copy_date', plan.changed_dates) }}, false)
                )
            )
        ) as copy_dates
    {%- if plan.changed_dates %}
    from known
    full outer join renamed
    {%- else %}
    -- the engine reads a relation again for each place that names it, so this one is named once
    from stored as known
    right join renamed
    {%- endif %}
        on
            known.tenant_id = renamed.tenant_id
            and known.event_id = renamed.event_id
),

final as (
    select
        {%- for column in silver_columns() %}
        {%- if column == 'tenant_id' or column == 'event_id' %}
        key_{{ column }} as {{ column }},
        {%- elif column == '_copy_dates' %}
        copy_dates as _copy_dates,
        {%- else %}
        if(is_first_known, known_{{ column }}, fresh_{{ column }}) as {{ column }},
        {%- endif %}
        {%- endfor %}
        not is_first_known and fresh_event_id is null as _is_gone
    from compared
    where
        not is_known
        or copy_dates is distinct from known__copy_dates
        -- of a date that is read whole any column may have been corrected by hand
        or (
            not is_first_known
            and row(
                {%- for column in silver_columns() if column != '_copy_dates' %}
                fresh_{{ column }}{{ ',' if not loop.last }}
                {%- endfor %}
            ) is distinct from row(
                {%- for column in silver_columns() if column != '_copy_dates' %}
                known_{{ column }}{{ ',' if not loop.last }}
                {%- endfor %}
            )
        )
)
{%- endif %}

select * from final

{#- The columns of silver_pgr_events, in their order. -#}
{%- macro silver_columns() -%}
    {{ return([
        'event_id', 'tenant_id', 'tenant_root', 'complaint_id',
        'event_type', 'status', 'actor_type', 'actor_id', 'channel', 'channel_original', 'ward_id', 'locality_id',
        'complaint_type', 'priority', 'from_status', 'to_status', 'digit_status', 'department', 'time_zone',
        'sla_hours', 'rating', 'has_invalid_attributes',
        'event_time', 'event_date', 'event_date_local',
        '_source_id', '_position', '_load_id', '_ingested_at', '_arrival', '_copy_dates',
    ]) }}
{%- endmacro -%}

{#- A digest of texts, any of which may be null: 40 hexadecimal digits of SHA-256. -#}
{%- macro digest_of(texts) -%}
    lower(substr(to_hex(sha256(to_utf8(json_format(cast(array[{{ texts | join(', ') }}] as json))))), 1, 40))
{%- endmacro -%}

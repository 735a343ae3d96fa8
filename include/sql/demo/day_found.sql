-- What each layer holds of one city.
select
    (
        select count(*) from iceberg.bronze.service_events_raw
        where tenant_id = {{ bind(tenant) }}
    ) as bronze_rows,
    (
        select count(*) from iceberg.silver.silver_pgr_events
        where tenant_id = {{ bind(tenant) }}
    ) as silver_events,
    (
        select count(distinct entity_id) from iceberg.bronze.service_events_raw
        where tenant_id = {{ bind(tenant) }}
    ) as bronze_cases,
    (
        select count(*) from iceberg.gold.gold_pgr_case_lifecycle
        where tenant_id = {{ bind(tenant) }}
    ) as gold_cases,
    (
        select count_if(resolved_time is not null) from iceberg.gold.gold_pgr_case_lifecycle
        where tenant_id = {{ bind(tenant) }}
    ) as gold_resolved,
    (
        select coalesce(sum(submitted_events), 0) from iceberg.gold.gold_pgr_funnel_daily
        where tenant_id = {{ bind(tenant) }}
    ) as gold_submitted

-- depends_on: {{ ref('silver_pgr_events') }}
-- depends_on: {{ ref('gold_pgr_case_lifecycle') }}
-- depends_on: {{ ref('gold_pgr_funnel_daily') }}
with

ledger as (
    select
        ledger.*,
        {{ ledger_key() }} as ledger_key
    from {{ source('bronze', 'ledger') }} as ledger
    where ledger.target = '{{ target.database }}.{{ var('bronze_schema') }}.service_events_raw'
),

taken_inputs as (
    select * from {{ taken_inputs() }}
),

case_changes as (
    select distinct change_id from {{ case_changes() }}
),

relations as (
    select
        listed.relation,
        listed.model
    from (
        values
        {%- for relation, model in stored_behind() %}
        ('{{ relation }}', '{{ model }}'){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed (relation, model)
),

-- a load is in silver once silver has taken it, and in gold once what that build changed was taken there
loads as (
    select
        relations.relation,
        ledger.kind,
        ledger.load_id,
        ledger.finished_at,
        silver.key is not null
        and (
            relations.model = 'silver_pgr_events'
            or case_changes.change_id is null
            or gold.key is not null
        ) as is_covered
    from relations
    cross join ledger
    left join taken_inputs as silver
        on
            silver.model = 'silver_pgr_events'
            and silver.kind = 'load'
            and ledger.ledger_key = silver.key
    left join case_changes on silver.build = case_changes.change_id
    left join taken_inputs as gold
        on
            relations.model = gold.model
            and gold.kind = 'change'
            and silver.build = gold.key
),

builds as (
    select
        relations.relation,
        max(taken_inputs.taken_at) as last_built_at
    from relations
    left join taken_inputs on relations.model = taken_inputs.model
    group by relations.relation
),

final as (
    select
        builds.relation,
        builds.last_built_at,
        count_if(loads.is_covered) as loads_covered,
        count_if(not loads.is_covered) as loads_pending,
        max_by(loads.load_id, loads.finished_at) filter (where loads.is_covered) as last_load_covered,
        max(loads.finished_at) filter (where loads.is_covered) as last_load_covered_at,
        min(loads.finished_at) filter (where not loads.is_covered) as oldest_load_pending_at
    from builds
    left join loads on builds.relation = loads.relation
    group by builds.relation, builds.last_built_at
)

select * from final

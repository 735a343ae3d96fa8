-- What silver has not taken of bronze, and each later model not of silver.
with
taken as (
    select
        model,
        kind,
        key
    from {{ taken_inputs | identifier }}
),

loads as (
    select
        (select count(*) from {{ ledger | identifier }} where target = {{ bind(bronze) }}) - (
            select count(distinct key) from taken where model = {{ bind(first_model) }} and kind = 'load'
        ) as pending
),

snapshots as (
    select count(*) as pending
    from {{ snapshots | identifier }} as refs
    where
        refs.name = 'main'
        and cast(refs.snapshot_id as varchar) not in (
            select key from taken where model = {{ bind(first_model) }} and kind = 'snapshot'
        )
),

later_models as (
    select model
    from unnest(cast(json_parse({{ bind(later_models) }}) as array(varchar))) as listed (model)
),

changes as (
    select
        later_models.model,
        count(builds.key) as pending
    from later_models
    cross join (select distinct key from taken where kind = 'build') as builds
    left join taken
        on later_models.model = taken.model and taken.kind = 'change' and builds.key = taken.key
    where taken.key is null
    group by later_models.model
)

select
    'loads' as what,
    pending
from loads
where pending > 0
union all
select
    'changes of bronze by other than loads' as what,
    pending
from snapshots
where pending > 0
union all
select
    concat('builds of silver that ', model, ' has not taken') as what,
    pending
from changes
where pending > 0

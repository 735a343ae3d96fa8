-- Lives of complaints by hand: each submitted, assigned, resolved and closed over five days, and every tenth stays open.
insert into {{ bronze | identifier }} (
    event_date,
    event_time,
    tenant_id,
    service,
    entity_type,
    entity_id,
    event_type,
    status,
    actor_type,
    actor_id,
    channel,
    ward_id,
    attributes_json
)
with
cases as (
    select thousands.number * 1000 + ones.number as number
    from unnest(sequence({{ bind(first_thousand) }}, {{ bind(next_thousand) }} - 1)) as thousands (number)
    cross join unnest(sequence(0, 999)) as ones (number)
),

steps as (
    select *
    from (
        values
        (1, 'CaseSubmitted', 'OPEN', 0),
        (2, 'CaseAssigned', 'IN_PROGRESS', 5),
        (3, 'CaseComment', 'IN_PROGRESS', 20),
        (4, 'CaseResolved', 'RESOLVED', 47),
        (5, 'CaseClosed', 'CLOSED', 100)
    ) as listed (step, event_type, status, hours)
),

events as (
    select
        cases.number,
        steps.step,
        steps.event_type,
        steps.status,
        date_add(
            'second',
            steps.hours * 3600 + mod(cases.number * 7919, 86400),
            date_add('day', mod(cases.number, {{ bind(days) }}), cast({{ bind(start) }} as timestamp(6)))
        ) as event_time
    from cases
    cross join steps
    where steps.step <= 3 or mod(cases.number, 10) > 0
)

select
    cast(event_time as date) as event_date,
    event_time,
    element_at(array['pb.amritsar', 'pb.jalandhar', 'ke.nairobi'], 1 + cast(mod(number, 3) as integer)) as tenant_id,
    'PGR' as service,
    'complaint' as entity_type,
    format('PB-PGR-BENCH-%07d', number) as entity_id,
    event_type,
    status,
    'EMPLOYEE' as actor_type,
    format('EMP_%03d', mod(number, 500)) as actor_id,
    element_at(array['WEB', 'MOBILE', 'WHATSAPP'], 1 + cast(mod(number, 3) as integer)) as channel,
    format('W%02d', mod(number, 40)) as ward_id,
    json_format(
        cast(
            map(
                array['event_id', 'complaint_type', 'priority', 'sla_hours'],
                array[
                    cast(format('%s-%s', number, step) as json),
                    cast(
                        element_at(
                            array['GarbageNeedsTobeCleared', 'StreetLightNotWorking', 'NoWaterSupply'],
                            1 + cast(mod(number, 3) as integer)
                        ) as json
                    ),
                    cast('MEDIUM' as json),
                    cast(48 as json)
                ]
            ) as json
        )
    ) as attributes_json
from events

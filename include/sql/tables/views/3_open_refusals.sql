create or replace view iceberg.bronze.open_refusals -- noqa: PRS
comment 'Files that were refused, and neither loaded nor put again with other bytes since' as
with newest as (
    select
        source_id,
        max_by(source, refused_at) as source,
        max_by(contract, refused_at) as contract,
        max_by(terms, refused_at) as terms,
        max_by(refused_as, refused_at) as refused_as,
        max_by(message, refused_at) as message,
        count(*) as times_refused,
        min(refused_at) as first_refused_at,
        max(refused_at) as last_refused_at
    from iceberg.bronze.refusals
    group by source_id
),

loaded as (
    select source_id
    from iceberg.bronze.ledger
    where kind = 'load' and end_position is not null
)

select newest.*
from newest
where
    not exists (
        select 1
        from loaded
        where loaded.source_id = newest.source_id
    )
    and not exists (
        select 1
        from iceberg.bronze.sources as put_again
        where
            put_again.source = newest.source
            and put_again.source_id <> newest.source_id
            and put_again.registered_at > newest.last_refused_at
    )

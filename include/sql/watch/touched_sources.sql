-- A second time when the load must be over: what it leaves half done is no problem before.
select distinct source_id
from {{ ledger | identifier }}
where
    -- rows by hand that were removed have no source
    source_id is not null
    and (
        (finished_at >= {{ bind(since) }} and finished_at < {{ bind(now) }})
        or (finished_at >= {{ bind(earlier_since) }} and finished_at < {{ bind(earlier_until) }})
    )

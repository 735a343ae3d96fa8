merge into {{ rejects | identifier }} as rejects
using (
    select
        source_id,
        record_position,
        element_at(cast(json_parse({{ bind(load_ids) }}) as map(varchar, varchar)), source_id) as load_id,
        source,
        reason,
        column_name,
        detail,
        line,
        record,
        record_bytes,
        record_sha256,
        record_key,
        record_timestamp,
        record_headers
    from {{ staging | identifier }}
    where
        source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and record_position >= {{ bind(first) }}
        and record_position < {{ bind(next) }}
        and element_at(cast(json_parse({{ bind(load_ids) }}) as map(varchar, varchar)), source_id) is not null
        and if(
            (
                select count(*)
                from {{ ledger | identifier }} as unloads
                where
                    unloads.kind = 'unload_intent'
                    and unloads.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
                    and unloads.first_position
                    < element_at(
                        cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), unloads.source_id
                    )[2]
                    and unloads.next_position
                    > element_at(
                        cast(json_parse({{ bind(ranges) }}) as map(varchar, array(bigint))), unloads.source_id
                    )[1]
            ) = 0,
            true,
            cast(fail('the range was taken out by an unload') as boolean)
        )
) as staged
    on
        rejects.source_id between {{ bind(source_from) }} and {{ bind(source_to) }}
        and rejects.record_position >= {{ bind(first) }}
        and rejects.record_position < {{ bind(next) }}
        and rejects.contract_fingerprint = {{ bind(contract_fingerprint) }}
        and rejects.source_id = staged.source_id
        and rejects.record_position = staged.record_position
when not matched then insert (
    source_id,
    record_position,
    contract_fingerprint,
    contract,
    target,
    load_id,
    source,
    reason,
    column_name,
    detail,
    line,
    record,
    record_bytes,
    record_sha256,
    record_key,
    record_timestamp,
    record_headers,
    rejected_at
) values (
    staged.source_id,
    staged.record_position,
    {{ bind(contract_fingerprint) }},
    {{ bind(contract) }},
    {{ bind(target) }},
    staged.load_id,
    staged.source,
    staged.reason,
    staged.column_name,
    staged.detail,
    staged.line,
    staged.record,
    staged.record_bytes,
    staged.record_sha256,
    staged.record_key,
    staged.record_timestamp,
    staged.record_headers,
    {{ bind(rejected_at) }}
)

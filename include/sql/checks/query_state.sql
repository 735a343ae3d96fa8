select state from system.runtime.queries where query_id = {{ bind(query_id) }}

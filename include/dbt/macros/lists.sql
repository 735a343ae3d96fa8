{#- Lists that more than one model needs. -#}

{#- What the state machine of DIGIT's business service PGR allows after an event: event type to event types. -#}
{%- macro next_events() -%}
    {{ return({
        'CaseSubmitted': ['CaseAssigned', 'CaseRejected'],
        'CaseAssigned': ['CaseResolved', 'CaseReassignRequested', 'CaseEscalated'],
        'CaseReassignRequested': ['CaseAssigned', 'CaseRejected'],
        'CaseEscalated': ['CaseResolved'],
        'CaseResolved': ['CaseClosed', 'CaseReopened'],
        'CaseRejected': ['CaseClosed', 'CaseReopened'],
        'CaseReopened': ['CaseAssigned', 'CaseRejected'],
    }) }}
{%- endmacro -%}

{#- What is read from silver and gold, and the stored model that each is as fresh as. -#}
{%- macro stored_behind() -%}
    {{ return([
        ('silver_pgr_events', 'silver_pgr_events'),
        ('gold_pgr_case_lifecycle', 'gold_pgr_case_lifecycle'),
        ('gold_pgr_funnel_daily', 'gold_pgr_funnel_daily'),
        ('gold_pgr_backlog_daily', 'gold_pgr_case_lifecycle'),
        ('gold_pgr_sla_breaches', 'gold_pgr_case_lifecycle'),
        ('gold_pgr_ward_summary', 'gold_pgr_case_lifecycle'),
        ('gold_pgr_kpis', 'gold_pgr_case_lifecycle'),
        ('mv_pgr_ward_summary', 'gold_pgr_case_lifecycle'),
        ('mv_pgr_ward_summary_tenant', 'gold_pgr_case_lifecycle'),
        ('mv_pgr_ward_channel_summary', 'gold_pgr_case_lifecycle'),
        ('mv_pgr_monthly_trends', 'gold_pgr_case_lifecycle'),
    ]) }}
{%- endmacro -%}

{#- The stored columns of gold_pgr_case_lifecycle, in their order. -#}
{%- macro lifecycle_columns() -%}
    {{ return([
        'tenant_id', 'tenant_root', 'complaint_id',
        'last_status', 'last_state', 'channel', 'ward_id', 'locality_id', 'complaint_type', 'priority', 'department',
        'sla_source', 'time_zone',
        'sla_hours', 'event_count', 'assignment_count', 'resolution_count', 'reopen_count', 'reassign_count',
        'escalation_count', 'comment_count', 'rating', 't_submit_to_assign_hours', 't_submit_to_resolve_hours',
        't_submit_to_final_resolve_hours', 't_submit_to_close_hours',
        'is_open', 'has_rating', 'has_sla_mismatch',
        'submitted_date', 'resolved_date', 'submitted_time', 'final_submitted_time', 'assigned_time',
        'final_assigned_time', 'resolved_time', 'final_resolved_time', 'closed_time', 'final_closed_time',
        'rejected_time', 'final_rejected_time', 'reopened_time', 'final_reopened_time', 'escalated_time',
        'final_escalated_time', 'last_status_time', 'last_event_time', 'sla_due_time', 'completed_time',
        'final_completed_time', 'open_stays',
    ]) }}
{%- endmacro -%}

{#- The columns of silver_pgr_events, in their order. -#}
{%- macro silver_columns() -%}
    {{ return([
        'event_id', 'tenant_id', 'tenant_root', 'complaint_id',
        'event_type', 'status', 'actor_type', 'actor_id', 'channel', 'channel_original', 'ward_id', 'locality_id',
        'complaint_type', 'priority', 'from_status', 'to_status', 'digit_status', 'department', 'time_zone',
        'sla_hours', 'rating', 'has_invalid_attributes', 'is_active',
        'event_time', 'event_date', 'event_date_local',
        '_source_id', '_position', '_load_id', '_ingested_at', '_arrival', '_copy_dates',
    ]) }}
{%- endmacro -%}

alter table {{ table | identifier }} add column {{ column | identifier }} {{ column_type }}
{%- if comment %} comment {{ comment | literal }}{% endif %}

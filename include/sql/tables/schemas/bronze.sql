create schema if not exists {{ catalog | identifier }}.bronze
{%- if location %}
with (location = {{ location | literal }})
{%- endif %}

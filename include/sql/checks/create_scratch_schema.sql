create schema if not exists {{ schema | identifier }}
{%- if location %}
with (location = {{ location | literal }})
{%- endif %}

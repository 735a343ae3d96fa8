alter table {{ table | identifier }} execute optimize (file_size_threshold => {{ threshold | literal }})
where
    true
    {%- for value in values %}
    and {{ value.column | identifier }}
        {%- if value.text is none %} is null
        {%- else %} = cast({{ value.text | literal }} as {{ value.type }})
        {%- endif %}
    {%- endfor %}

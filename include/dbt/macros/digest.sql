{#- A digest of texts, any of which may be null: 40 hexadecimal digits of SHA-256. -#}
{%- macro digest_of(texts) -%}
    lower(substr(to_hex(sha256(to_utf8(json_format(cast(array[{{ texts | join(', ') }}] as json))))), 1, 40))
{%- endmacro -%}

{#- 64 bits of a text, as a number: the engine groups numbers in a quarter of the memory that texts take. -#}
{%- macro hash_of(text) -%}
    from_big_endian_64(xxhash64(to_utf8({{ text }})))
{%- endmacro -%}

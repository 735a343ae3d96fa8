create schema if not exists {{ staging_catalog | identifier }}.attempts

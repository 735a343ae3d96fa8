drop view if exists {{ view | identifier }}

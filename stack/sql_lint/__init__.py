"""What sqlfluff needs to render the SQL templates."""

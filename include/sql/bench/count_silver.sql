select count(*) from {{ silver | identifier }}

"""Puts right what was loaded wrongly: takes loads out again, judges rejects again. No Airflow."""

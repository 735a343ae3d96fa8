"""Pages that the lakehouse adds to Airflow's web interface."""

"""What runs in Airflow's triggerer: shells around the rooms below."""

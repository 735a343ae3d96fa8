"""The steps of a load as Airflow tasks: shells around the rooms below, without decisions of their own."""

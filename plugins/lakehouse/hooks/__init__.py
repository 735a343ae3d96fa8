"""Connections of Airflow as the engine of a load."""

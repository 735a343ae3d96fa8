"""The load protocol: every way into bronze ends here. Free of Airflow; engine, store and clock are passed in."""

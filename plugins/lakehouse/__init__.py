"""Exactly-once ingestion of civic events into Iceberg, through Trino."""

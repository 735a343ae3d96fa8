"""What the lakehouse adds to Airflow; registration only."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lakehouse.operators.trino_query_link import TrinoQueryLink


class LakehousePlugin(AirflowPlugin):
    """Makes the links of the operators known to the web interface."""

    name = "lakehouse"
    operator_extra_links = [TrinoQueryLink()]  # noqa: RUF012 (declared so by the base class)

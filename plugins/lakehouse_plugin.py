"""What the lakehouse adds to Airflow; registration only."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lakehouse.operators.trino_query_link import TrinoQueryLink
from lakehouse.web import dbt_docs


class LakehousePlugin(AirflowPlugin):
    """Makes the links of the operators and the pages of the lakehouse known to the web interface."""

    name = "lakehouse"
    operator_extra_links = [TrinoQueryLink()]  # noqa: RUF012 (declared so by the base class)
    fastapi_apps = [{"app": dbt_docs.app, "url_prefix": dbt_docs.URL_PREFIX, "name": "dbt docs"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "dbt docs",
            "href": f"{dbt_docs.URL_PREFIX}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "dbt-docs",
        }
    ]

"""What the lakehouse adds to Airflow; registration only."""

from __future__ import annotations

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from lakehouse.operators.trino_query_link import TrinoQueryLink
from lakehouse.preloading import preload

_DBT_DOCS = "/lakehouse-dbt-docs"


class LakehousePlugin(AirflowPlugin):
    """Makes the links of the operators and the pages of the lakehouse known to the web interface."""

    name = "lakehouse"
    operator_extra_links = [TrinoQueryLink()]  # noqa: RUF012 (declared so by the base class)
    external_views = [  # noqa: RUF012
        {
            "name": "dbt docs",
            "href": f"{_DBT_DOCS}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "dbt-docs",
        }
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The pages; only the web server asks, and every task would wait a second for their imports."""
        from lakehouse.web import dbt_docs  # noqa: PLC0415

        return [{"app": dbt_docs.app, "url_prefix": _DBT_DOCS, "name": "dbt docs"}]


preload(sys.argv)

"""Where the project's files that are not Python lie: contracts, SQL, dbt."""

from __future__ import annotations

import os
from pathlib import Path

#: ``include/`` beside ``plugins/``, as in an Airflow image; LAKEHOUSE_INCLUDE names another place.
INCLUDE = Path(os.environ.get("LAKEHOUSE_INCLUDE") or Path(__file__).resolve().parents[2] / "include")
CONTRACTS = INCLUDE / "contracts"
SQL = INCLUDE / "sql"
BRONZE_TABLES = SQL / "tables" / "bronze"
PROTOCOL_TABLES = SQL / "tables" / "protocol"
DBT_PROJECT = INCLUDE / "dbt"
#: The project's graph as far as Airflow draws it; `make dbt-manifest` builds it.
DBT_MANIFEST = DBT_PROJECT / "manifest.json"

"""The documentation of the dbt project, for those who have signed in to Airflow.

Cosmos has a page for it too, which answers everybody. Here it is one file, ``static_index.html`` of
``dbt docs generate --static``, sent from behind Airflow's own sign-in.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

_FILE_NAME = "static_index.html"
_HEADERS = {
    # The file carries all it shows. Left alone, it would also report its readers to dbt's makers.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

# A sub-app is open to everybody unless it says otherwise, and so would be the pages that describe it.
app = FastAPI(
    title="dbt docs",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_authenticated())],
)


def docs_file() -> Path:
    """Where ``make dbt-docs`` leaves the documentation."""
    return Path(os.environ.get("DBT_TARGET_PATH", "target")) / _FILE_NAME


@app.get("/")
def page() -> Response:
    """The documentation, or how to make it."""
    file = docs_file()
    if not file.is_file():
        return PlainTextResponse(
            "The documentation has not been made yet: `make dbt-docs` makes it, and makes it anew.",
            status_code=404,
            headers=_HEADERS,
        )
    return FileResponse(file, media_type="text/html", headers=_HEADERS)

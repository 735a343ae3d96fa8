#!/usr/bin/env python
"""Exits with 0 when Airflow's api-server says that a component is healthy: ``is_healthy.py scheduler``.

Starting ``airflow jobs check`` instead would cost seconds of processor time at every look.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from urllib.parse import urljoin

SECONDS = 5


def why_unhealthy(component: str, *, api_server: str) -> str | None:
    """Return what is wrong with the component, None when it is healthy.

    :param component: ``metadatabase``, ``scheduler``, ``triggerer`` or ``dag_processor``.
    :param api_server: any URL of the api-server.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(urljoin(api_server, "/api/v2/monitor/health"), timeout=SECONDS) as answer:
            status = json.load(answer)[component]["status"]
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return None if status == "healthy" else f"{component} is {status}"


if __name__ == "__main__":
    sys.exit(why_unhealthy(sys.argv[1], api_server=os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]))

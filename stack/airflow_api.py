"""Airflow's REST API, as far as the demonstration needs it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from stack.errors import AirflowRequestError

REQUEST_SECONDS = 30
#: Airflow 3.3 commits the audit log of a request on the event loop that all requests share. On SQLite it may wait
#: there for a request that cannot end meanwhile; after five seconds it gives up, with 500, before it did anything.
#: Whatever is asked here may be asked again: a run has a name of its own.
RETRIES = Retry(
    total=5,
    backoff_factor=0.5,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run, as it is now.

    :param map_index: -1 where the task is not mapped.
    :param state: Airflow's word; ``none`` before it is scheduled.
    :param try_number: the try that runs or ran last, from 1; 0 before the first.
    :param seconds: how long that try took, once it has ended.
    """

    task_id: str
    map_index: int
    state: str
    try_number: int
    seconds: float | None


class AirflowApi:
    """A signed-in client of one Airflow.

    Every method raises AirflowRequestError when Airflow refuses, or does not answer for a while.
    """

    def __init__(self, *, url: str, user: str, password: str) -> None:
        self._url = url
        self._credentials = {"username": user, "password": password}
        self._session = requests.Session()
        # A proxy knows nothing of an Airflow on this machine.
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(max_retries=RETRIES))

    def sign_in(self) -> None:
        """Get a token and send it from now on."""
        token = self._answer("POST", "/auth/token", json=self._credentials)["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has read a DAG of this name."""
        return bool(self._answer("GET", f"/api/v2/dags/{dag_id}", missing={}))

    def import_errors(self) -> list[str]:
        """Return what is wrong with DAG files, a text for each."""
        answer = self._answer("GET", "/api/v2/importErrors", params={"limit": 10})
        return [f"{error['filename']}: {error['stack_trace']}" for error in answer["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._answer("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Let a DAG start no more runs; what runs goes on."""
        self._answer("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": True})

    def choices(self, dag_id: str, param: str) -> list[str]:
        """Return the values that a DAG's form offers for a param; none when Airflow has not read the DAG."""
        details = self._answer("GET", f"/api/v2/dags/{dag_id}/details", missing={"params": {}})
        return list(details["params"].get(param, {}).get("schema", {}).get("enum", ()))

    def delete_dag(self, dag_id: str) -> None:
        """Forget a DAG, its runs and its watches; it comes back if its file still makes it."""
        self._answer("DELETE", f"/api/v2/dags/{dag_id}", missing={})

    def add_connection(self, conn_id: str, *, password: str) -> None:
        """Make a connection of which nothing but the password matters."""
        body = {"connection_id": conn_id, "conn_type": "generic", "password": password}
        self._answer("POST", "/api/v2/connections", json=body, is_done_by=requests.codes.conflict)

    def delete_connection(self, conn_id: str) -> None:
        """Delete a connection, if it is there."""
        self._answer("DELETE", f"/api/v2/connections/{conn_id}", missing={})

    def trigger(self, dag_id: str, *, params: Mapping[str, object], note: str) -> str:
        """Start a run, once however often Airflow has to be asked, and return its id."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}_{secrets.token_hex(4)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(params), "note": note}
        self._answer("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body, is_done_by=requests.codes.conflict)
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self._answer("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def runs(self, dag_id: str, *, since: datetime | None = None, active: bool = False) -> list[str]:
        """Return the ids of a DAG's latest runs, at most 100.

        :param since: only runs that were due then or later.
        :param active: only runs that have not ended.
        """
        wanted: dict[str, object] = {"limit": 100, "order_by": "-run_after"}
        if since is not None:
            wanted["run_after_gte"] = since.isoformat()
        if active:
            wanted["state"] = ["queued", "running"]
        answer = self._answer("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=wanted)
        return [str(run["dag_run_id"]) for run in answer["dag_runs"]]

    def clear(self, dag_id: str, run_id: str, *, task_id: str) -> None:
        """Let a task run again, and everything after it."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "include_downstream": True,
            "only_failed": False,
        }
        self._answer("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)

    def run_seconds(self, dag_id: str, run_id: str) -> float:
        """Return how long a run that has ended took, from being queued to its end."""
        run = self._answer("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        ended, queued = (datetime.fromisoformat(run[name]) for name in ("end_date", "queued_at"))
        return (ended - queued).total_seconds()

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the tasks of a run, those that started first in front."""
        answer = self._answer(
            "GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 1000}
        )
        found = sorted(answer["task_instances"], key=lambda task: (task["start_date"] or "~", task["map_index"]))
        return [
            TaskInstance(
                task_id=task["task_id"],
                map_index=task["map_index"],
                state=task["state"] or "none",
                try_number=task["try_number"],
                seconds=task["duration"],
            )
            for task in found
        ]

    def run_page(self, dag_id: str, run_id: str) -> str:
        """Return the address of a run in the web interface."""
        return f"{self._url}/dags/{dag_id}/runs/{run_id}"

    def _answer(
        self, method: str, path: str, *, missing: Any = None, is_done_by: int | None = None, **request: Any
    ) -> Any:
        """Return the decoded answer; None where it is empty.

        :param missing: returned where there is nothing at the path, if given.
        :param is_done_by: the status that says that an earlier try was heard, if there is one.
        """
        try:
            answer = self._session.request(method, f"{self._url}{path}", timeout=REQUEST_SECONDS, **request)
        except requests.RequestException as error:
            raise AirflowRequestError(request=f"{method} {path}", reason=str(error)) from error
        if answer.status_code == requests.codes.not_found and missing is not None:
            return missing
        if answer.status_code == is_done_by:
            return None
        if not answer.ok:
            raise AirflowRequestError(
                request=f"{method} {path}", reason=f"{answer.status_code} {answer.text[:500]}"
            )
        return answer.json() if answer.content else None

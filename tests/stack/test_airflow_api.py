from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stack.airflow_api import AirflowApi, TaskInstance
from stack.errors import AirflowRequestError


@pytest.fixture
def answers():
    """What the server answers, by method and path: a status and a body. Change it as you like."""
    return {("POST", "/auth/token"): (201, {"access_token": "secret-token"})}


@pytest.fixture
def requests_seen():
    return []


@pytest.fixture
def api(answers, requests_seen):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            path = self.path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            requests_seen.append((self.command, path, self.headers.get("Authorization"), body))
            status, answer = answers.get((self.command, path), (404, {"detail": "not found"}))
            if isinstance(status, list):
                # One after the other; the last one stays.
                status = status.pop(0) if len(status) > 1 else status[0]
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  (the names that the base class calls)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield AirflowApi(url=f"http://127.0.0.1:{server.server_port}", user="admin", password="word")
        server.shutdown()
        thread.join()


def test_every_request_after_signing_in_carries_the_token(api, answers, requests_seen):
    answers["GET", "/api/v2/dags/d"] = (200, {"dag_id": "d"})
    api.sign_in()
    assert api.has_dag("d")
    assert [authorization for *_, authorization, _ in requests_seen] == [None, "Bearer secret-token"]
    assert json.loads(requests_seen[0][3]) == {"username": "admin", "password": "word"}


def test_dag_that_airflow_has_not_read_is_not_there(api):
    assert not api.has_dag("d")


def test_a_dag_is_unpaused_by_an_airflow_that_was_too_busy_at_first(api, answers, requests_seen):
    answers["PATCH", "/api/v2/dags/d"] = ([503, 200], {"is_paused": False})
    api.unpause("d")
    assert [method for method, *_ in requests_seen] == ["PATCH", "PATCH"]


def test_a_run_that_may_have_been_started_is_asked_for_again_by_its_own_name(api, answers, requests_seen):
    answers["POST", "/api/v2/dags/d/dagRuns"] = ([500, 409], {"detail": "it is there"})
    run_id = api.trigger("d", params={}, note="tests")
    assert [json.loads(body)["dag_run_id"] for *_, body in requests_seen] == [run_id, run_id]


def test_an_airflow_that_stays_broken_is_told(api, answers, monkeypatch):
    monkeypatch.setattr("urllib3.Retry.sleep", lambda *_: None)
    answers["PATCH", "/api/v2/dags/d"] = (500, {"detail": "Database error"})
    with pytest.raises(AirflowRequestError, match=r"500 .*Database error"):
        api.unpause("d")


def test_refused_request_is_told_with_what_airflow_says(api, answers):
    answers["POST", "/api/v2/dags/d/dagRuns"] = (400, {"detail": "wait_minutes is not of type integer"})
    with pytest.raises(AirflowRequestError, match=r"400 .*wait_minutes is not of type integer"):
        api.trigger("d", params={"wait_minutes": "x"}, note="")


def test_wrong_password_is_a_refusal_without_the_password(api, answers):
    answers["POST", "/auth/token"] = (401, {"detail": "Invalid credentials"})
    with pytest.raises(AirflowRequestError, match="401") as caught:
        api.sign_in()
    assert "word" not in str(caught.value)


def test_run_is_triggered_with_its_params_and_without_a_logical_date(api, answers, requests_seen):
    answers["POST", "/api/v2/dags/d/dagRuns"] = (200, {"state": "queued"})
    run_id = api.trigger("d", params={"key": "a.csv"}, note="why")
    assert json.loads(requests_seen[-1][3]) == {
        "dag_run_id": run_id, "logical_date": None, "conf": {"key": "a.csv"}, "note": "why",
    }  # fmt: skip
    assert api.trigger("d", params={}, note="") != run_id


def test_tasks_come_in_the_order_they_started_and_waiting_ones_last(api, answers):
    def instance(task_id, *, start, state="success", map_index=-1):
        return {
            "task_id": task_id, "map_index": map_index, "state": state, "try_number": 1, "duration": 1.5,
            "start_date": start,
        }  # fmt: skip

    answers["GET", "/api/v2/dags/d/dagRuns/r/taskInstances"] = (
        200,
        {
            "task_instances": [
                instance("drop", start=None, state=None),
                instance("stage", start="2026-11-23T10:00:02Z", map_index=1),
                instance("stage", start="2026-11-23T10:00:02Z", map_index=0),
                instance("plan", start="2026-11-23T10:00:01Z"),
            ]
        },
    )
    tasks = api.task_instances("d", "r")
    assert [(task.task_id, task.map_index) for task in tasks] == [
        ("plan", -1), ("stage", 0), ("stage", 1), ("drop", -1)
    ]  # fmt: skip
    assert tasks[-1] == TaskInstance(task_id="drop", map_index=-1, state="none", try_number=1, seconds=1.5)


def test_a_run_takes_from_being_queued_to_its_end(api, answers):
    moments = {"queued_at": "2026-11-25T10:00:00.500000Z", "end_date": "2026-11-25T10:01:30.750000Z"}
    answers["GET", "/api/v2/dags/d/dagRuns/r"] = (200, moments)
    assert api.run_seconds("d", "r") == 90.25


def test_a_form_offers_what_the_param_of_its_dag_may_be(api, answers):
    schema = {"type": "string", "enum": ["pgr_events_csv", "operator_day"]}
    answers["GET", "/api/v2/dags/unload/details"] = (
        200,
        {"params": {"source": {"value": None, "schema": schema}}},
    )
    assert api.choices("unload", "source") == ["pgr_events_csv", "operator_day"]
    assert api.choices("unload", "key") == []
    assert api.choices("never_read", "source") == []


def test_a_dag_that_is_forgotten_may_be_forgotten_again(api, answers, requests_seen):
    answers["DELETE", "/api/v2/dags/d"] = (204, None)
    api.delete_dag("d")
    del answers["DELETE", "/api/v2/dags/d"]
    api.delete_dag("d")
    assert [(method, path) for method, path, *_ in requests_seen] == [("DELETE", "/api/v2/dags/d")] * 2


def test_a_dag_is_switched_off_and_on(api, answers, requests_seen):
    answers["PATCH", "/api/v2/dags/d"] = (200, {})
    api.pause("d")
    api.unpause("d")
    assert [json.loads(body) for *_, body in requests_seen] == [{"is_paused": True}, {"is_paused": False}]

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import supersede_operator
from lakehouse.operators.supersede_operator import SupersedeOperator
from lakehouse.repair.supersede import SupersedeReport, supersede
from lakehouse.repair.unload import UnloadReport

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
SOURCES = ("s3://warehouse/staging/a.csv", "s3://warehouse/staging/b.csv", "s3://warehouse/staging/c.csv")


@pytest.fixture
def superseding(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    unload = UnloadReport(range=mock.sentinel.range, rows=10, rejects=1, reloads_as="again")
    report = SupersedeReport(found=SOURCES, unloads=(unload, unload))
    superseding = mock.create_autospec(supersede, return_value=report)
    monkeypatch.setattr(supersede_operator, "supersede", superseding)
    return superseding


@pytest.fixture
def context() -> dict[str, Any]:
    return {
        "ti": mock.Mock(map_index=-1),
        "params": {"dry_run": False},
        "outlet_events": {BRONZE: SimpleNamespace(extra={})},
    }


def run(context: dict[str, Any]) -> dict[str, int]:
    operator = SupersedeOperator(
        task_id="supersede", source="pgr_events_csv", is_dry_run="{{ params.dry_run }}", outlets=[BRONZE]
    )
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.render_template_fields(context)
    return operator.execute(context)


def test_what_was_taken_out_is_counted_where_silver_looks(superseding, context):
    result = run(context)
    assert result == {"versions": 2, "rows": 20, "rejects": 2, "left": 1}
    assert context["outlet_events"][BRONZE].extra == {"kind": "unload", "source": "pgr_events_csv", **result}


@pytest.mark.parametrize("dry_run", [False, True])
def test_without_anything_taken_out_silver_is_not_woken(superseding, context, dry_run, capsys):
    superseding.return_value = SupersedeReport(found=SOURCES)
    context["params"]["dry_run"] = dry_run
    with pytest.raises(AirflowSkipException):
        run(context)
    assert superseding.call_args.kwargs["dry_run"] is dry_run
    assert f"{SOURCES[0]} is there in a newer version" in capsys.readouterr().out

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.engine_check import EngineCheck
from tests.engine.conftest import Platform

pytestmark = pytest.mark.engine


def check_with(platform: Platform, session: Mapping[str, str] | None = None) -> EngineCheck:
    fixed = dict(session or {})

    def connect(*, on_progress: Any = None, session: Mapping[str, str] | None = None) -> TrinoEngine:
        return TrinoEngine(
            connect_with(platform.settings, session=fixed | dict(session or {})), on_progress=on_progress
        )

    return EngineCheck(
        connect=connect, table=platform.table, catalog="iceberg", location="s3://lake/engine_check_tests"
    )


def test_the_local_engine_keeps_every_promise(platform: Platform):
    check = check_with(platform)
    lines = list(check.run())
    assert len(lines) == len(check.cases)
    assert [line for line in lines if not line.passed] == []
    assert platform.rows("show schemas from iceberg like 'engine\\_check%' escape '\\'") == []


def test_an_engine_that_narrows_conflict_detection_to_partitions_is_found_out(platform: Platform):
    narrowed = check_with(platform, {"iceberg.file_based_conflict_detection_enabled": "true"})
    [line] = narrowed.run("partition moved")
    assert not line.passed

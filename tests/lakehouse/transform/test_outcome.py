from __future__ import annotations

import pytest

from lakehouse.transform.errors import ModelFailedError, ModelInterruptedError
from lakehouse.transform.outcome import Failure, judge

REFUSED = Failure(
    name="gold_pgr_kpis",
    status="error",
    message="Database Error in model gold_pgr_kpis (models/gold/gold_pgr_kpis.sql)\n  TrinoUserError("
    "type=USER_ERROR, name=COLUMN_NOT_FOUND, message=\"line 9:5: Column 'tenat' cannot be resolved\", "
    "query_id=20261125_101010_00042_abcde)",
)
COMPILATION = Failure(
    name="silver", status="error", message="Compilation Error in model silver\n  'nix' is undefined"
)
FOUND_ROWS = Failure(
    name="unique_gold_case_id", status="fail", message="Got 3 results, configured to fail if != 0"
)
CONFLICT = Failure(
    name="silver_pgr_events",
    status="error",
    message="Database Error in model silver_pgr_events\n  TrinoExternalError(type=EXTERNAL, "
    'name=ICEBERG_COMMIT_ERROR, message="Failed to commit", query_id=20261125_101010_00043_abcde)',
)
CANCELLED = Failure(
    name="silver",
    status="error",
    message='TrinoUserError(type=USER_ERROR, name=USER_CANCELED, message="Query was canceled", query_id=2026)',
)
EXPIRED = Failure(
    name="silver_pgr_events_2",
    status="error",
    message="TrinoUserError(type=USER_ERROR, name=INVALID_ARGUMENTS, message="
    '"line 9:5: Iceberg snapshot ID does not exists: 5651434", query_id=2026)',
)
DOWN = Failure(
    name="FailedToConnectError", status="error", message="Failed to establish a new connection: Connection refused"
)


@pytest.mark.parametrize("failure", [REFUSED, COMPILATION, FOUND_ROWS], ids=lambda failure: failure.name)
def test_what_must_be_corrected_is_not_tried_again(failure: Failure):
    error = judge([failure])
    assert isinstance(error, ModelFailedError)
    assert failure.name in str(error)
    assert "docs/runbooks/transform-failed.md" in str(error)


@pytest.mark.parametrize("failure", [CONFLICT, CANCELLED, EXPIRED, DOWN], ids=lambda failure: failure.name)
def test_what_may_pass_is_tried_again(failure: Failure):
    assert isinstance(judge([failure]), ModelInterruptedError)


def test_one_failure_to_correct_outweighs_those_that_may_pass():
    error = judge([CONFLICT, FOUND_ROWS])
    assert isinstance(error, ModelFailedError)
    assert len(error.failures) == 2


def test_an_error_is_told_in_one_line():
    assert "\n" not in str(judge([REFUSED]))
    assert "COLUMN_NOT_FOUND" in str(judge([REFUSED]))

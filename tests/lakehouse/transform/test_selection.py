from __future__ import annotations

import pytest

from lakehouse.transform.errors import NothingSelectedError
from lakehouse.transform.selection import select_nodes


def test_a_selection_takes_models_as_dbt_does():
    found = {name.split(".")[-1] for name in select_nodes("gold_pgr_case_lifecycle+")}
    assert {"gold_pgr_case_lifecycle", "gold_pgr_kpis"} <= found
    assert "silver_pgr_events" not in found


@pytest.mark.parametrize("select", ["", "   ", "--vars {}", "gold_pgr_kpis --full-refresh"])
def test_what_is_no_selection_never_reaches_dbt(select: str):
    with pytest.raises(NothingSelectedError):
        select_nodes(select)


def test_a_selection_that_takes_nothing_is_refused():
    with pytest.raises(NothingSelectedError, match="gold_pgr_nix"):
        select_nodes("gold_pgr_nix")

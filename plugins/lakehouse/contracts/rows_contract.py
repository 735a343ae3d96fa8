"""The contract of rows that a caller hands over: by Python, form, REST or command line, as JSON objects."""

from __future__ import annotations

from typing import Literal

from lakehouse.contracts.contract import Contract, RejectBudget


class RowsContract(Contract):
    """The contract of rows that are handed over."""

    kind: Literal["rows"]
    reject_budget: RejectBudget = RejectBudget(share=1, day_share=1)

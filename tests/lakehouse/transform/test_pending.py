from __future__ import annotations

from unittest import mock

import pytest

from lakehouse.engine import Engine, Outcome
from lakehouse.settings import StorageNames
from lakehouse.statements import Statement
from lakehouse.transform.errors import BronzeMissingError
from lakehouse.transform.pending import Pending, read_pending


def pending_where(*tables: str) -> Pending:
    """What is pending on an engine that has only these tables."""

    def answer(statement: Statement) -> Outcome:
        assert statement.name == "transform/has_table.sql"
        schema, table = statement.parameters
        found = int(f"{schema}.{table}" in tables)
        return Outcome(columns=("count",), rows=((found,),), query_id=None, updated=None)

    engine = mock.create_autospec(Engine, instance=True)
    engine.execute.side_effect = answer
    return read_pending(engine, nodes={}, names=StorageNames())


def test_everything_is_pending_where_nothing_was_ever_taken():
    found = pending_where("bronze.ledger")
    assert found.is_first
    assert found


def test_without_bronze_there_is_an_error_that_says_what_to_do():
    with pytest.raises(BronzeMissingError, match=r"(?s)iceberg\.bronze\.ledger does not exist.*lakehouse tables"):
        pending_where()

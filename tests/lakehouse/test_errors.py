from __future__ import annotations

import inspect

import pytest

from lakehouse import errors
from lakehouse.errors import (
    BegunOtherwiseError,
    CommitConflictError,
    EngineUnavailableError,
    FileRefusedError,
    IdempotencyKeyError,
    LakehouseError,
    ObjectNotFoundError,
    OtherKindError,
    OtherRowsError,
    PositionsNotDistinctError,
    RangeTakenError,
    RangeUnloadedError,
    RejectBudgetError,
    RowsRefusedError,
    SourceChangedError,
    SourceIdentityError,
    SourceUnloadedError,
    SpoolNotWrittenError,
    StagingGoneError,
    StatementCancelledError,
    StatementError,
    StoreUnavailableError,
    TargetChangedError,
    TerminalError,
    TooManyRowsError,
    TransientError,
    UnknownSourceError,
    UnsafeEngineError,
    VerificationError,
)

TERMINAL = {
    UnknownSourceError: UnknownSourceError("parking", known=["pgr_events_csv"]),
    OtherKindError: OtherKindError("pgr_events_csv", kind="files", wanted="rows"),
    TooManyRowsError: TooManyRowsError(most=10_000),
    IdempotencyKeyError: IdempotencyKeyError(most_characters=500),
    OtherRowsError: OtherRowsError(source="pgr_events_rows", idempotency_key="form 7"),
    RowsRefusedError: RowsRefusedError(source="pgr_events_rows", problem="2 of 3 are bad.", rejects=[(1, "x")]),
    ObjectNotFoundError: ObjectNotFoundError(bucket="warehouse", key="staging/a.csv"),
    RejectBudgetError: RejectBudgetError(
        source="s3://warehouse/a.csv", rejects=30, records=100, share=0.05, by_reason={"wrong_type": 30}
    ),
    SourceUnloadedError: SourceUnloadedError(source="s3://warehouse/staging/a.csv"),
    SourceIdentityError: SourceIdentityError(source_id="0k9c000000000000", registered="one", planned="other"),
    BegunOtherwiseError: BegunOtherwiseError(source="s3://a/b", next_position=9, change="its target was a.b.c"),
    TargetChangedError: TargetChangedError(attempt="20261123_090000_0", staged_for="a.b.c", target="a.b.d"),
    PositionsNotDistinctError: PositionsNotDistinctError(
        staging_table="staging.attempts.rows_1", detail="doubled"
    ),
    VerificationError: VerificationError(source_id="0k9c000000000000", first=0, next_position=9, detail="9 is 8"),
    UnsafeEngineError: UnsafeEngineError(finding="Trino 477 duplicates rows.", remedy="Use Trino 476."),
    StatementError: StatementError(error_name="SYNTAX_ERROR", message="line 1", query_id="q1"),
}
TRANSIENT = {
    CommitConflictError: CommitConflictError(message="Found conflicting files", query_id="q1"),
    RangeUnloadedError: RangeUnloadedError(source_ids=["0k9c000000000000"]),
    RangeTakenError: RangeTakenError(source_id="0k9c000000000000", first=0, next_position=9),
    SourceChangedError: SourceChangedError(bucket="warehouse", key="a.csv", etag="abc"),
    StagingGoneError: StagingGoneError(attempt="20261123_090000_0"),
    SpoolNotWrittenError: SpoolNotWrittenError(attempt="20261123_090000_0", message="The store does not answer."),
    EngineUnavailableError: EngineUnavailableError(message="connection refused"),
    StoreUnavailableError: StoreUnavailableError(operation="get s3://warehouse/a.csv", message="time-out"),
    StatementCancelledError: StatementCancelledError(error_name="USER_CANCELED", message="killed", query_id="q1"),
}


def test_every_error_of_the_module_is_listed_here():
    defined = {
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, LakehouseError) and member.__module__ == errors.__name__
    }
    assert defined - {LakehouseError, TerminalError, TransientError, FileRefusedError} == set(TERMINAL) | set(
        TRANSIENT
    )


def test_tree_in_the_docstring_names_every_error():
    for error in (*TERMINAL, *TRANSIENT):
        assert error.__name__ in errors.__doc__


@pytest.mark.parametrize("error", TERMINAL.values(), ids=lambda error: type(error).__name__)
def test_terminal_errors_are_not_transient(error):
    assert isinstance(error, TerminalError)
    assert not isinstance(error, TransientError)


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=lambda error: type(error).__name__)
def test_transient_errors_are_not_terminal(error):
    assert isinstance(error, TransientError)
    assert not isinstance(error, TerminalError)


@pytest.mark.parametrize(
    "error", [*TERMINAL.values(), *TRANSIENT.values()], ids=lambda error: type(error).__name__
)
def test_message_is_the_problem_and_then_the_remedy(error):
    assert error.problem
    assert error.remedy.endswith(".")
    assert str(error) == f"{error.problem} {error.remedy}"


@pytest.mark.parametrize(
    "error", [*TERMINAL.values(), *TRANSIENT.values()], ids=lambda error: type(error).__name__
)
def test_errors_carry_their_data_as_attributes(error):
    given = set(inspect.signature(type(error).__init__).parameters) - {"self", "remedy"}
    assert given <= set(vars(error))


def test_message_of_a_reject_budget_counts_by_reason():
    error = RejectBudgetError(
        source="s3://warehouse/a.csv",
        rejects=3,
        records=10,
        share=0.05,
        by_reason={"wrong_type": 2, "not_utf8": 1},
    )
    assert error.problem == (
        "3 of 10 records of s3://warehouse/a.csv are bad (not_utf8 1, wrong_type 2), over the budget of 5.00%; "
        "nothing of it was loaded."
    )


def test_message_of_a_statement_names_its_query():
    assert "query q1" in str(TERMINAL[StatementError])
    assert "query q1" in str(EngineUnavailableError(message="gone", query_id="q1"))
    assert "query" not in str(TRANSIENT[EngineUnavailableError]).replace("the lost statement", "")


def test_unknown_source_lists_the_known_ones():
    assert "pgr_events_csv" in str(TERMINAL[UnknownSourceError])
    assert "Known sources: none." in str(UnknownSourceError("parking", known=[]))

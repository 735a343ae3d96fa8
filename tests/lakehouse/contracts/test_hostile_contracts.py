"""Whatever bytes are in a contract's file: a contract, or an error that names file, line and key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts import load_contract
from lakehouse.contracts.errors import ContractError
from lakehouse.paths import CONTRACTS
from tests.fuzzing import damaged, fuzzed, taking
from tests.lakehouse.contracts.conftest import MINIMAL

TOKENS = [
    *(b"{", b"}", b"[", b"]", b": ", b"- ", b"\n", b"\n  ", b"&a ", b"*a", b"<<: ", b"? ", b"|", b">", b"'", b'"'),
    *(b"\\ud800", b'"\\ud800"', b"\\0", b"\xff", b"\0", b"\t", b"#", b"%", b"~", b"null", b"true", b"!!binary "),
    *(b"1e999", b"-0", b"0x1", b"9" * 30, b".nan", b"2024-01-01", b"${A}", b"${B:-x}", b"---\n", b"%YAML 1.1\n"),
    *(b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"kind: kafka\n", b"kind: rows\n", b"pattern: '('"),
    *(b"value: ", b"events: {a: {when: x}}\n", b"columns: {tenant_id: ", b"times: {formats: ['%", b"zone: "),
    *(b"max_record_bytes: ", b"encoding: ", b"skip_lines: ", b"allowed: ", b"share: ", b"schedule: '* * "),
]
SAMPLES = [path.read_bytes() for path in sorted(CONTRACTS.glob("*.yaml"))]
WORDS = st.sampled_from([token.decode(errors="replace") for token in TOKENS]) | st.text(max_size=4)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["csv", "utf-8", "5MB", "1d", "%Y-%m-%d", "epoch_s", "UTC", "Asia/Kolkata", "*", "$record"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    *("csv", "target", "nulls", "times", "columns", "events", "unknown_columns", "scrub", "max_record_bytes"),
    *(
        "batch",
        "schedule",
        "freshness",
        "reject_budget",
        "identical_rows",
        "overwrite",
        "partial",
        "owner",
        "from",
    ),
    *(
        "columns: {tenant_id",
        "times: {zone",
        "times: {formats",
        "csv: {encoding",
        "csv: {quote",
        "batch: {records",
    ),
    *(
        "events: {a",
        "events: {a: {columns",
        "columns: {event_time: {value",
        "columns: {status: {allowed",
        "from: {key",
    ),
]


def error_of(path, tables) -> ContractError | None:
    try:
        load_contract(path, tables, environment={})
    except ContractError as error:
        return error
    return None


@pytest.fixture
def answer(tmp_path, tables, fuzz_counts):
    """Load some bytes; an error must name the file, and a line of it, for each thing that is wrong."""
    path = tmp_path / "parking_fines.yaml"

    def answer(content: bytes, fuzzer: str) -> str:
        path.write_bytes(content)
        error = error_of(path, tables)
        if error is not None:
            # YAML ends lines at more characters than Python's bytes do.
            lines = len(content.decode(errors="replace").splitlines()) + 1
            assert error.problems
            for problem in error.problems:
                assert problem.file == path
                assert 1 <= problem.line <= lines
                assert problem.problem
            assert len(str(error)) < 100_000
        outcome = "taken" if error is None else "refused"
        fuzz_counts(fuzzer).update([outcome])
        return outcome

    return answer


@fuzzed(few=300, many=20_000)
def test_any_bytes_are_answered(answer, examples):
    content = st.binary(max_size=200) | st.lists(WORDS, max_size=25).map("".join).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )

    @taking(examples)
    @given(content=content)
    def check(content):
        answer(content, "contracts, random bytes and tokens")

    check()


@fuzzed(few=300, many=20_000)
def test_a_damaged_contract_is_answered(answer, examples):
    @taking(examples)
    @given(content=damaged([MINIMAL.encode(), *SAMPLES], TOKENS))
    def check(content):
        answer(content, "contracts, shipped ones damaged")

    check()


@fuzzed(few=300, many=20_000)
def test_a_contract_with_any_value_under_any_key_is_answered(answer, examples):
    @taking(examples)
    @given(keys=st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3))
    def check(keys):
        added = (f"{key}: {json.dumps(value)}{'}' * key.count('{')}\n" for key, value in keys)
        answer((MINIMAL + "".join(added)).encode(), "contracts, any values under known keys")

    check()


@pytest.mark.parametrize("depth", [10, 20, 21, 100, 200, 330, 400, 500, 1_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_of_any_depth_is_refused(answer, depth, opening, closing):
    content = f"{MINIMAL}columns: {opening * depth}{closing * depth}\n"

    assert answer(content.encode(), "contracts, deep") == "refused"


def test_aliases_that_stand_for_more_and_more_are_refused(answer):
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))

    assert answer(f"{MINIMAL}a0: &a0 [x]\n{levels}".encode(), "contracts, deep") == "refused"


@pytest.mark.parametrize(
    ("added", "key"),
    [
        (r'owner: "\ud800"', "owner"),
        (r'nulls: ["a", "\udfff"]', "nulls.1"),
        (r'columns: {"\ud800": {}}', "columns"),
        (r'times: {zone: "\ud800"}', "times.zone"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_where_it_stands(problems, added, key):
    assert ("half of a surrogate pair", 5) in [
        (problem.problem.removeprefix("The text holds ").removesuffix("."), problem.line)
        for problem in problems(added + "\n")
        if problem.key == key
    ]


@pytest.mark.parametrize(
    "schedule", ["* * * * * *", "0 0 1 1 * * 2099", "@reboot", "* * * *", "", "5", "@daily x"]
)
def test_a_schedule_has_five_fields_or_a_name(problems, schedule):
    (problem,) = problems(f'schedule: "{schedule}"\n')

    assert (problem.line, problem.key) == (5, "schedule")


@pytest.mark.parametrize("schedule", ["@hourly", "*/15 * * * *", "0 6 * * mon-fri"])
def test_a_schedule_is_taken_as_airflow_takes_it(load, schedule):
    assert load(f'schedule: "{schedule}"\n').schedule == schedule


def test_a_long_value_is_cut_in_the_message(problems):
    (problem,) = problems(f"times: {{zone: {'x' * 5_000}}}\n")

    assert len(str(problem)) < 400


def test_many_problems_are_counted_and_the_first_are_told(load):
    with pytest.raises(ContractError) as caught:
        load("columns:\n" + "".join(f"  c{number}: {{}}\n" for number in range(1_000)))

    assert len(caught.value.problems) == 1_000
    assert "… and 800 more" in str(caught.value)

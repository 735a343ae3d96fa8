from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.contracts import load_contract, load_contracts
from lakehouse.contracts.contract import UnknownColumns
from lakehouse.contracts.errors import ContractError
from lakehouse.contracts.files_contract import Partial
from lakehouse.errors import TerminalError
from lakehouse.paths import CONTRACTS
from tests.lakehouse.contracts.conftest import MINIMAL

MINIMAL_LINES = 4
TARGET = "iceberg.bronze.service_events_raw"


def test_a_minimal_contract_has_the_documented_defaults(load):
    contract = load()

    assert contract.max_record_bytes == 64_000_000
    assert contract.partial is Partial.FORBIDDEN
    assert contract.unknown_columns is UnknownColumns.IGNORE
    assert contract.times.zone == "UTC"
    assert contract.times.formats == ("iso8601",)
    assert contract.schedule is None


def test_sizes_and_durations_are_read_with_their_units(load):
    contract = load("max_record_bytes: 256MB\nbatch: {bytes: 1GB, records: 10}\nfreshness: 15m\n")

    assert contract.max_record_bytes == 256_000_000
    assert contract.batch.bytes == 1_000_000_000
    assert contract.freshness == timedelta(minutes=15)


def test_the_shipped_contracts_are_sound(tables):
    contracts = load_contracts(CONTRACTS, tables, environment={})

    assert {"pgr_events_csv", "pgr_events_jsonl"} <= set(contracts)
    assert contracts["pgr_events_csv"].matches("warehouse", "staging/pgr_events_20241201.csv")
    assert contracts["pgr_events_csv"].matches("warehouse", "staging/pgr_events_20241201.csv.gz")
    assert contracts["pgr_events_jsonl"].matches("warehouse", "staging/pgr_events_1.jsonl.zst")


def test_the_shipped_contracts_follow_the_bucket_of_the_environment(tables):
    contracts = load_contracts(CONTRACTS, tables, environment={"LAKEHOUSE_BUCKET": "pune"})

    assert contracts["pgr_events_csv"].origin.bucket == "pune"


def test_every_problem_of_a_file_is_told_at_once_in_the_order_of_its_lines(problems):
    found = problems("colums: {}\nfreshness: soon\nreject_budget: {share: 2}\n")

    assert [problem.line for problem in found] == [5, 6, 7]
    assert [problem.key for problem in found] == ["colums", "freshness", "reject_budget.share"]
    assert all(problem.file.name == "parking_fines.yaml" for problem in found)


def test_an_error_is_terminal_and_its_text_has_place_problem_and_remedy(load):
    with pytest.raises(TerminalError, match=r"parking_fines\.yaml:5: colums: There is no such key") as caught:
        load("colums: {}\n")

    assert "Did you mean columns?" in str(caught.value)


@pytest.mark.parametrize(
    ("added", "key", "said"),
    [
        ("columns: {tenant_id: {requird: true}}", "columns.tenant_id.requird", "Did you mean required?"),
        ("csv: {delimeter: ';'}", "csv.delimeter", "Did you mean delimiter?"),
        ("columns: {tenant: {required: true}}", "columns.tenant", "Did you mean tenant_id?"),
        ("columns: {event_time: {default: never}}", "columns.event_time.default", "not a time"),
        ("columns: {event_date: {value: 2024-02-30}}", "columns.event_date.value", "names no day"),
        ("columns: {channel: {default: WEB, allowed: [APP]}}", "columns.channel.default", "not among the allowed"),
        ("columns: {channel: {value: WEB, from: x}}", "columns.channel", "reads nothing"),
        ("columns: {channel: {default: [1]}}", "columns.channel.default", "Not a text, a number"),
        ("columns: {channel: {allowed: 5}}", "columns.channel.allowed", "Neither a glob nor a list"),
        ("columns: {channel: {required: yes}}", "columns.channel.required", "Write true or false"),
        ("times: {zone: Mars/Olympus}", "times.zone", "IANA"),
        ("times: {formats: [iso]}", "times.formats.0", "strptime"),
        ("times: {formats: ['%Y-%m-%d %Z']}", "times.formats.0", "%z for an offset"),
        ("times: {formats: ['%d/%m/%Y %I:%M']}", "times.formats.0", "%I needs %p"),
        ("times: {formats: ['%H:%M']}", "times.formats.0", "names no year"),
        ("times: {formats: ['%Y-%m']}", "times.formats.0", "a whole day"),
        ("times: {formats: ['%Y-%m-%d %Q']}", "times.formats.0", "strptime does not take it"),
        ("times: {formats: ['%Y-%m-%d %Y']}", "times.formats.0", "strptime does not take it"),
        ("times: {formats: ['%Y-%m-%d %']}", "times.formats.0", "strptime does not take it"),
        ("times: {formats: [epoch_s, epoch_ms]}", "times", "cannot be told apart"),
        ("schedule: every day", "schedule", "five fields"),
        ("csv: {encoding: utf-9}", "csv.encoding", "latin-1"),
        ("csv: {encoding: base64}", "csv.encoding", "latin-1"),
        ("csv: {encoding: utf-7}", "csv.encoding", "No encoding of files"),
        ("csv: {encoding: idna}", "csv.encoding", "No encoding of files"),
        ("csv: {encoding: iso2022_jp}", "csv.encoding", "No encoding of files"),
        ("csv: {encoding: unicode_escape}", "csv.encoding", "No encoding of files"),
        ("csv: {skip_lines: 100000000000}", "csv.skip_lines", "less than or equal to 10000"),
        ("csv: {delimiter: '||'}", "csv.delimiter", "at most 1 character"),
        ("csv: {quote: ','}", "csv", "same character"),
        ("max_record_bytes: 64 megs", "max_record_bytes", "256MB"),
        ("max_record_bytes: 0", "max_record_bytes", "greater than 0"),
        ("max_record_bytes: 2GB", "max_record_bytes", "less than or equal to 1000000000"),
        ("unknown_columns: drop", "unknown_columns", "'drop' is not"),
        ("nulls: [NULL]", "nulls.0", "in quotes"),
        ("after_load: {action: move}", "after_load.action", "'move' is not"),
        ("after_load: {action: archive}", "after_load", "there is no prefix"),
        ("after_load: {action: delete}", "after_load", "there is no days"),
        ("after_load: {action: tag, days: 3}", "after_load", "There is days, but the action is not delete"),
        ("after_load: {prefix: archive/}", "after_load", "There is prefix, but the action is not archive"),
        ("after_load: {action: delete, days: -1}", "after_load.days", "greater than or equal to 0"),
        ("after_load: {action: archive, prefix: staging/}", "", "would load again what it archives"),
        ("after_load: {action: archive, prefix: archive}", "after_load.prefix", "Not a folder"),
        ("after_load: {action: archive, prefix: /archive/}", "after_load.prefix", "Not a folder"),
        ("after_load: {action: archive, prefix: 'a*/'}", "after_load.prefix", "no wildcards"),
        ("after_load: {action: archive, prefix: _spool/old/}", "after_load.prefix", "reserved"),
        ("after_load: {action: archive, prefix: _staging_metastore/}", "after_load.prefix", "reserved"),
        ("partial: allowed", "partial", "does not work yet"),
        ("identical_rows: distinct", "identical_rows", "does not work yet"),
        ("scrub: [a.b]", "", "scrub works on JSON"),
        ("scrub_to_length: [a.b]", "", "scrub works on JSON"),
        ("columns: {attributes_json: {object: {a: b}}}", "", "Column attributes_json is made of several fields"),
        ("columns: {channel: {from: [a, b]}}", "", "Column channel is made of several fields"),
        ("events: {opened: {columns: {channel: {from: [a, b]}}}}", "", "Column channel is made of several"),
        ("columns: {channel: {from: []}}", "columns.channel.from", "Neither a field nor a list of fields"),
        ("columns: {channel: {from: [a, b..c]}}", "columns.channel.from", "Neither a field nor a list of fields"),
        ("columns: {channel: {from: [a, $record]}}", "columns.channel.from", "Neither a field nor a list of"),
        ("columns: {channel: {object: {a: b}, from: c}}", "columns.channel", "only required and default apply"),
        ("columns: {channel: {object: {a: b.}}}", "columns.channel.object.a", "names joined with single dots"),
        ("columns: {channel: {object: {}}}", "columns.channel.object", "at least 1 item"),
        ("columns: {channel: {map: {}}}", "columns.channel.map", "at least 1 item"),
        ("columns: {channel: {map: {a: 5}}}", "columns.channel.map.a", "Put the value in quotes"),
        ("columns: {channel: {unmapped: keep}}", "columns.channel", "There is no map"),
        ("columns: {channel: {map: {a: b}, unmapped: drop}}", "columns.channel.unmapped", "'drop' is not"),
        ("columns: {event_date: {map: {a: never}}}", "columns.event_date.map.a", "not a date"),
        ("columns: {channel: {map: {a: B}, allowed: [A]}}", "columns.channel.map.a", "not among the allowed"),
        ("csv: !!python/object:os.system {}", "csv", ""),
        ("events: {closed: {whan: a}}", "events.closed.whan", "Did you mean when?"),
        ("events: {closed: {columns: {status: {valeu: a}}}}", "events.closed.columns.status.valeu", "mean value?"),
        ("events: {closed: {columns: {state: {value: a}}}}", "events.closed.columns.state", "mean status?"),
        (
            "events: {closed: {columns: {event_time: {value: never}}}}",
            "events.closed.columns.event_time.value",
            "not a time",
        ),
        ("events: {closed: {when: a}, opened: {when: b}}", "", "might stand for none"),
        ("events: {opened: {}}\nunknown_columns: reject", "", "can only be ignore"),
    ],
)
def test_a_problem_names_its_key_and_what_to_do(problems, added, key, said):
    (problem,) = problems(added + "\n")

    assert problem.key == key
    assert said in str(problem)
    assert problem.line == (MINIMAL_LINES + 1 if key else 1)


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ("bucket: 's3://warehouse'", "from.bucket", "the name alone"),
        ("bucket: warehouse/staging", "from.bucket", "the name alone"),
        ("bucket: ''", "from.bucket", "at least 1 character"),
        ("key: /staging/a.csv", "from.key", "what comes after s3://bucket/"),
        ("key: 's3://warehouse/staging/a.csv'", "from.key", "what comes after s3://bucket/"),
        ("key: 'file:///staging/a.csv'", "from.key", "what comes after s3://bucket/"),
    ],
)
def test_a_place_is_a_bucket_and_a_key(write, tables, written, key, said):
    other = "key: k" if written.startswith("bucket") else "bucket: warehouse"
    text = f"name: parking_fines\nkind: files\nfrom: {{{written}, {other}, format: csv}}\ntarget: {TARGET}\n"
    with pytest.raises(ContractError) as caught:
        load_contract(write(text), tables)

    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (3, key)
    assert said in str(problem)


@pytest.mark.parametrize(
    ("added", "key", "said"),
    [
        ("scrub: [a..b]", "scrub.0", "names joined with single dots"),
        ("scrub_except: [a.b]", "", "a.b, which is not below a path of scrub"),
        ("scrub: [a]\nscrub_except: [a]", "", "a, which is not below a path of scrub"),
        ("scrub: [a]\nscrub_except: [ab.c]", "", "ab.c, which is not below a path of scrub"),
        ("scrub: [a, a.b]\nscrub_except: [a.b]", "", "a.b, which is not below a path of scrub"),
        ("columns: {event_time: {object: {a: b}}}", "columns.event_time.object", "The column is of type"),
    ],
)
def test_a_problem_of_a_contract_for_json_names_its_key_and_what_to_do(write, tables, added, key, said):
    text = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"
    with pytest.raises(ContractError) as caught:
        load_contract(write(f"{text}{added}\n"), tables)

    (problem,) = caught.value.problems
    assert problem.key == key
    assert said in str(problem)


def test_a_key_that_stands_twice_is_a_problem_that_names_both_lines(problems):
    (problem,) = problems("nulls: []\nowner: a\nnulls: ['']\n")

    assert (problem.line, problem.key) == (7, "nulls")
    assert "first on line 5" in problem.problem


def test_a_missing_key_is_named(write, tables):
    with pytest.raises(ContractError) as caught:
        load_contract(write("name: parking_fines\nkind: files\n"), tables)

    assert [problem.key for problem in caught.value.problems] == ["from", "target"]


def test_a_missing_kind_is_named_with_the_kinds_there_are(write, tables):
    with pytest.raises(ContractError) as caught:
        load_contract(write("name: parking_fines\ntarget: iceberg.bronze.service_events_raw\n"), tables)

    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (1, "kind")
    assert "files, kafka, rows" in problem.remedy


def test_an_unknown_kind_is_told_with_its_line(write, tables):
    with pytest.raises(ContractError) as caught:
        load_contract(write(_minimal().replace("kind: files", "kind: fils")), tables)

    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (2, "kind")
    assert "'fils' is not one of 'files', 'kafka', 'rows'" in problem.problem


def test_a_section_of_another_kind_says_whose_it_is(problems, write, tables):
    rows = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"
    with pytest.raises(ContractError) as caught:
        load_contract(write(rows + "csv: {delimiter: ';'}\nschedule: '0 3 * * *'\n"), tables)

    csv, schedule = caught.value.problems
    assert (csv.key, csv.line) == ("csv", 4)
    assert "kind rows has no such key" in csv.problem
    assert csv.remedy.endswith("make the kind files.")
    assert schedule.remedy.endswith("make the kind files or kafka.")


def test_an_unknown_target_lists_the_nearest_table(write, tables):
    text = (
        "name: parking_fines\nkind: files\nfrom: {bucket: warehouse, key: k, format: csv}\n"
        "target: iceberg.bronze.service_event_raw\n"
    )
    with pytest.raises(ContractError) as caught:
        load_contract(write(text), tables)

    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (4, "target")
    assert "iceberg.bronze.service_events_raw" in problem.remedy


def test_the_name_must_be_the_files(write, tables):
    path = write(_minimal(), name="fines")
    with pytest.raises(ContractError, match=r"not that of the file, fines\.yaml"):
        load_contract(path, tables)


@pytest.mark.parametrize("name", ["Parking", "9lives", "a-b", "a.b", ""])
def test_a_name_that_is_no_identifier_is_refused(write, tables, name):
    with pytest.raises(ContractError) as caught:
        load_contract(write(_minimal().replace("parking_fines", f"'{name}'")), tables)

    assert caught.value.problems[0].key == "name"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("name: [1\nkind: files", 2, "not YAML"),
        ("name: a\n\tkind: b", 2, "not YAML"),
        ("name: a\x01b", 1, "character"),
        ("- name", 1, ""),
        ("just text", 1, ""),
        ("name: &a [*a]", 1, "contains itself"),
        ("? [a]\n: b", 1, "key is not a text"),
        ("[" * 5_000, 1, "nested too deeply"),
    ],
)
def test_what_is_no_contract_at_all_is_a_problem_with_a_line(write, tables, text, line, said):
    with pytest.raises(ContractError) as caught:
        load_contract(write(text), tables)

    assert caught.value.problems[0].line == line
    assert said in str(caught.value)


def test_a_file_that_is_not_utf8_is_a_problem(tmp_path, tables):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ContractError, match="not UTF-8"):
        load_contract(path, tables)


def test_a_file_that_is_not_there_is_a_problem(tmp_path, tables):
    with pytest.raises(ContractError, match="cannot be read"):
        load_contract(tmp_path / "a.yaml", tables)


def test_texts_take_values_from_the_environment(load):
    assert load("owner: '${TEAM}'\ndescription: 'of ${CITY:-Pune}'\n", TEAM="data").owner == "data"
    assert load("owner: '${TEAM:-nobody}'\n").owner == "nobody"
    assert load("owner: '${TEAM:-}'\n").owner == ""


def test_a_variable_that_is_not_set_is_a_problem(problems):
    (problem,) = problems("owner: ${TEAM}\n")

    assert (problem.line, problem.key) == (5, "owner")
    assert "${TEAM:-default}" in problem.remedy


def test_words_that_old_yaml_takes_for_booleans_and_numbers_stay_text(load):
    contract = load("nulls: [no, 'off', n, 12:30:00, 1_000]\n")

    assert contract.nulls == ("no", "off", "n", "12:30:00", "1_000")


def test_two_contracts_that_may_take_one_key_are_a_problem(write, tables, tmp_path):
    write(_minimal())
    write(_minimal().replace("parking_fines", "fines").replace("parking_*", "*_fines"), name="fines")

    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path, tables)

    (problem,) = caught.value.problems
    assert problem.key == "from.key"
    assert "fines" in problem.problem


def test_contracts_of_two_buckets_may_have_the_same_keys(write, tables, tmp_path):
    write(_minimal())
    write(_minimal().replace("parking_fines", "fines").replace("warehouse", "pune"), name="fines")

    assert set(load_contracts(tmp_path, tables)) == {"parking_fines", "fines"}


def test_problems_of_all_files_are_told_together(write, tables, tmp_path):
    write(_minimal() + "a: 1\n")
    write(_minimal().replace("parking_fines", "fines") + "b: 1\n", name="fines")

    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path, tables)

    assert [(problem.file.name, problem.key) for problem in caught.value.problems] == [
        ("fines.yaml", "b"),
        ("parking_fines.yaml", "a"),
    ]


@given(text=st.text(alphabet=st.sampled_from("abc:{}[]-,'\"\n #&*!|>?%@`$~0123456789\t\u00e9\u2028"), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_no_text_makes_the_loader_fail_in_any_other_way(write, tables, text):
    with pytest.raises(ContractError) as caught:
        load_contract(write(text), tables, environment={})

    assert caught.value.problems


@given(line=st.integers(0, 3), added=st.text(max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_a_damaged_contract_is_refused_or_still_one(write, tables, line, added):
    lines = _minimal().splitlines()
    lines[line] += added
    path = write("\n".join(lines).encode(errors="replace").decode())
    with suppress(ContractError):
        assert load_contract(path, tables, environment={}).name == "parking_fines"


def _minimal() -> str:
    return (
        "name: parking_fines\n"
        "kind: files\n"
        'from: {bucket: warehouse, key: "staging/parking_*.csv", format: csv}\n'
        "target: iceberg.bronze.service_events_raw\n"
    )


@pytest.mark.parametrize(("archiver", "looker"), [("a_first", "b_second"), ("b_second", "a_first")])
def test_no_contract_archives_where_another_looks(write, tables, archiver, looker):
    looking = MINIMAL.replace("parking_fines", looker).replace("staging/parking_", "archive/**/parking_")
    directory = write(looking, looker).parent
    archiving = MINIMAL.replace("parking_fines", archiver)
    write(archiving + "after_load: {action: archive, prefix: archive/}\n", archiver)
    with pytest.raises(ContractError) as caught:
        load_contracts(directory, tables, environment={})
    [problem] = caught.value.problems
    assert (problem.file.stem, problem.key) == (archiver, "after_load.prefix")
    assert f"{looker} would load again what is archived there" in problem.problem


def test_a_contract_may_archive_into_a_folder_that_nobody_looks_into(load):
    contract = load("after_load: {action: archive, prefix: staging/old/}\n")
    assert contract.after_load.prefix == "staging/old/"

"""Judging in processes beside this one: the same rows and rejects, byte for byte, and no process left behind."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import feed
from lakehouse.contracts.contract import Contract
from lakehouse.readers import JudgedBatch, reader_for
from lakehouse.readers.errors import DamagedFileError, ReaderProcessError, SchemaMismatchError
from lakehouse.readers.json_block import JsonBlock, JsonBlockJudge
from lakehouse.readers.judging import JudgeMaker, Judging
from lakehouse.tables.definition import TableDefinition

JUDGING = "lakehouse.readers.judging_worker"
LINE = b'{"tenant_id":"a","event_time":"2026-10-01T10:00:00Z"}\n'


@pytest.fixture
def from_the_first_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes start at once, so that a small file goes through them too."""
    monkeypatch.setattr("lakehouse.readers.judging.SERIAL_BYTES", 0)


@pytest.fixture
def judging(contract_of: Callable[..., Contract], table: TableDefinition) -> Iterator[Judging[JsonBlock]]:
    maker = JudgeMaker(JsonBlockJudge, contract_of(), table)
    with contextlib.closing(Judging(maker, processes=2)) as judging:
        yield judging


def children() -> list[psutil.Process]:
    """The judging processes; a library may have left another of its own (multiprocessing's resource tracker)."""
    return [child for child in psutil.Process().children() if JUDGING in " ".join(child.cmdline())]


def compared(batches: list[JudgedBatch]) -> list[object]:
    return [
        (
            batch.rows.to_pydict(),
            batch.rejects,
            batch.first_position,
            batch.next_position,
            dict(batch.unknown_columns),
        )
        for batch in batches
    ]


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A feed in each format, with every kind of damage."""
    contents = {}
    for file_format in (feed.Format.CSV, feed.Format.JSONL):
        directory = tmp_path_factory.mktemp(file_format)
        truth = feed.write(feed.Options(events=1_500, bad=0.05, formats=(file_format,)), directory)
        contents[file_format.value] = (directory / truth.files[0].name).read_bytes()
    return contents


@pytest.mark.usefixtures("from_the_first_block")
@pytest.mark.parametrize(
    ("file_format", "sections"),
    [
        ("jsonl", {"max_record_bytes": 600}),
        ("jsonl", {"columns": {"raw_payload": {"from": "$record"}}, "scrub": ["actor_id", "attributes_json.by"]}),
        ("csv", {"nulls": ["", "NULL"], "max_record_bytes": 600}),
    ],
)
def test_processes_judge_as_one_process_does(contract_of, table, feeds, file_format, sections):
    contract = contract_of(file_format, **sections)

    def judged(processes: int) -> list[JudgedBatch]:
        reader = reader_for(contract, table, batch_records=100, processes=processes)
        with contextlib.closing(reader):
            return list(reader.read(io.BytesIO(feeds[file_format]), start=33))

    serial, parallel = judged(1), judged(2)

    assert len(serial) > 10
    assert any(batch.rejects for batch in serial)
    assert compared(parallel) == compared(serial)


@pytest.mark.usefixtures("from_the_first_block")
def test_bytes_of_another_encoding_come_back_as_they_were_sent(contract_of, table):
    content = "tenant_id,visits\nä,1\nö,x\n".encode("utf-16")
    with contextlib.closing(reader_for(contract_of("csv"), table, batch_records=1, processes=2)) as reader:
        batches = list(reader.read(io.BytesIO(content)))

    assert [reject.record for batch in batches for reject in batch.rejects] == ["ö,x".encode("utf-16-le")]


@pytest.mark.usefixtures("from_the_first_block")
def test_positions_may_have_gaps(judging):
    blocks = [JsonBlock([LINE[:-1], b"{"], positions=[7 * number, 7 * number + 3]) for number in range(9)]

    batches = list(judging.judged(blocks))

    assert [batch.rows.column("_position").to_pylist() for batch in batches] == [[7 * n] for n in range(9)]
    assert [batch.rejects[0].position for batch in batches] == [7 * n + 3 for n in range(9)]


@pytest.mark.usefixtures("from_the_first_block")
def test_blocks_may_come_again_and_again(judging):
    for first in (0, 10, 20):
        blocks = [JsonBlock([LINE[:-1]], positions=[first + number]) for number in range(10)]
        assert [batch.first_position for batch in judging.judged(blocks)] == list(range(first, first + 10))


def test_small_files_start_no_process(contract_of, table):
    with contextlib.closing(reader_for(contract_of(), table, processes=4)) as reader:
        assert sum(batch.records for batch in reader.read(io.BytesIO(LINE * 1_000))) == 1_000
        assert children() == []


def test_the_first_records_are_judged_before_a_process_is_started(contract_of, table, monkeypatch):
    monkeypatch.setattr("lakehouse.readers.judging.SERIAL_BYTES", len(LINE) * 250)
    with contextlib.closing(reader_for(contract_of(), table, batch_records=100, processes=2)) as reader:
        batches = reader.read(io.BytesIO(LINE * 1_000))
        assert [next(batches).next_position for _ in range(2)] == [100, 200]
        assert children() == []
        assert [batch.next_position for batch in batches] == list(range(300, 1_001, 100))
        assert len(children()) == 2
    assert children() == []


@pytest.mark.usefixtures("from_the_first_block")
def test_what_a_judge_raises_comes_after_the_batches_before_it(contract_of, table):
    content = LINE * 250 + b'{"unknown":1}\n' + LINE * 1_000
    contract = contract_of(unknown_columns="fail")
    seen = []
    reader = reader_for(contract, table, batch_records=100, processes=2)
    with contextlib.closing(reader), pytest.raises(SchemaMismatchError) as raised:
        seen.extend(batch.next_position for batch in reader.read(io.BytesIO(content)))
    assert seen == [100, 200]
    assert raised.value.differences == ("unknown: in a record, but no column takes it",)
    assert raised.value.contract == "visits"
    assert "Correct the header" in str(raised.value)
    assert children() == []


@pytest.mark.usefixtures("from_the_first_block")
def test_damage_comes_after_the_batches_before_it(contract_of, table):
    class CutShort(io.BytesIO):
        def read(self, size: int = -1, /) -> bytes:
            if not (piece := super().read(size)):
                raise DamagedFileError(problem="it is cut short")
            return piece

    seen = []
    reader = reader_for(contract_of(), table, batch_records=100, processes=2)
    with contextlib.closing(reader), pytest.raises(DamagedFileError):
        seen.extend(batch.next_position for batch in reader.read(CutShort(LINE * 1_050)))
    assert seen == list(range(100, 1_001, 100))


@pytest.mark.usefixtures("from_the_first_block")
def test_a_process_that_is_killed_is_a_transient_error(contract_of, table):
    with contextlib.closing(reader_for(contract_of(), table, batch_records=100, processes=2)) as reader:
        batches = reader.read(io.BytesIO(LINE * 10_000))
        next(batches)
        for child in children():
            child.kill()
        with pytest.raises(ReaderProcessError) as raised:
            list(batches)
    assert raised.value.status == -signal.SIGKILL


@pytest.mark.usefixtures("from_the_first_block")
def test_a_reader_that_is_left_in_the_middle_leaves_no_process(contract_of, table):
    with contextlib.closing(reader_for(contract_of(), table, batch_records=100, processes=2)) as reader:
        next(reader.read(io.BytesIO(LINE * 100_000)))
    assert children() == []


@dataclass
class Orphans:
    """The processes of a parent that reads on and on."""

    parent: subprocess.Popen[bytes]
    children: list[psutil.Process]


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[Orphans]:
    script = tmp_path / "endless.py"
    script.write_text(
        "import lakehouse.readers.judging as judging\n"
        "from lakehouse.sources import read_source\n"
        "from lakehouse.readers.json_block import JsonBlock, JsonBlockJudge\n"
        "judging.SERIAL_BYTES = 0\n"
        "source = read_source('pgr_events_jsonl')\n"
        "maker = judging.JudgeMaker(JsonBlockJudge, source.contract, source.table)\n"
        "def blocks():\n"
        "    while True:\n"
        "        yield JsonBlock([b'{}'] * 100, positions=range(100))\n"
        "for number, _ in enumerate(judging.Judging(maker, processes=2).judged(blocks())):\n"
        "    if number == 10:\n"
        "        print('running', flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        try:
            assert parent.stdout.readline() == b"running\n"
            yield Orphans(parent, psutil.Process(parent.pid).children())
        finally:
            parent.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_a_parent_that_is_killed(orphans, number):
    assert len(orphans.children) == 2

    orphans.parent.send_signal(number)

    _ended, alive = psutil.wait_procs(orphans.children, timeout=30)
    assert alive == []

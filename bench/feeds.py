"""Generated feeds, kept between runs under ``.stack/bench-feeds``; deleting the directory makes them anew."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import feed
from stack.layout import CLONE

FEEDS = CLONE / ".stack" / "bench-feeds"


def feed_files(options: feed.Options) -> list[Path]:
    """The files of a feed in order, generated unless they lie there from an earlier run.

    :raises subprocess.CalledProcessError: the generator failed; it has said why.
    """
    directory = FEEDS / _digest(options)
    if not (directory / feed.TRUTH_FILE_NAME).exists():
        # It never ended.
        shutil.rmtree(directory, ignore_errors=True)
        command = [sys.executable, "-m", "feed", "--out", str(directory), *_arguments(options)]
        subprocess.run(command, cwd=CLONE, env=os.environ | {"PYTHONHASHSEED": "0"}, check=True)
    truth = feed.read_truth(directory / feed.TRUTH_FILE_NAME)
    return [directory / file.name for file in truth.files]


def options_of(
    *, records: int, file_format: feed.Format, files: int = 1, duplicates: float = 0.01, bad: float = 0.002
) -> feed.Options:
    """A feed of exactly so many records, duplicates and damaged ones included."""
    events = round(records / (1 + duplicates + bad))
    options = feed.Options(
        events=events, duplicates=duplicates, bad=bad, formats=(file_format,), files=files, seed=records
    )
    while options.records != records:
        events += 1 if options.records < records else -1
        options = feed.Options(
            events=events, duplicates=duplicates, bad=bad, formats=(file_format,), files=files, seed=records
        )
    return options


def _digest(options: feed.Options) -> str:
    digest = hashlib.sha256(repr(options).encode())
    # Another generator makes another feed.
    for source in sorted(Path(feed.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _arguments(options: feed.Options) -> list[str]:
    values = {
        "events": options.events,
        "seed": options.seed,
        "days": options.days,
        "start": options.start.isoformat(),
        "tenants": options.tenants,
        "duplicates": options.duplicates,
        "late": options.late,
        "out-of-order": options.out_of_order,
        "bad": options.bad,
        "files": options.file_count,
        "compress": options.compression.value,
    }
    named = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    return [*named, *(part for each in options.formats for part in ("--format", each.value))]

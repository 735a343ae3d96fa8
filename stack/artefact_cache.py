"""Downloads, checked and unpacked, in a cache that all clones of a machine share.

Only whole things ever carry their final name: a file is downloaded elsewhere, checked, then renamed; a tree is
unpacked elsewhere, then renamed. So an interruption leaves nothing behind that a later run could mistake for done.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from stack.errors import ChecksumMismatchError, DownloadError
from stack.pins import Artefact, Distribution

ATTEMPTS = 3
PARALLEL_DOWNLOADS = 4
TIMEOUT_SECONDS = 60
WORTH_A_LINE_BYTES = 10_000_000

ReportSize = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
Download = Callable[[Artefact, Path, ReportSize], Path]


def cache_directory(environment: os._Environ[str] | dict[str, str]) -> Path:
    """Return where downloads live: LAKEHOUSE_CACHE, else the user's cache directory."""
    if chosen := environment.get("LAKEHOUSE_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakehouse"


def download_from_maven(artefact: Artefact, directory: Path, report_size: ReportSize) -> Path:
    """Download into a directory and return the file; DownloadError when it cannot be had."""
    context = MavenContext(
        resolver=PythonResolver(progress_callback=report_size),
        repo_cache=directory,
        local_repos=[],
        timeout=TIMEOUT_SECONDS,
    )
    component = context.project(artefact.group, artefact.name).at_version(artefact.version)
    try:
        return component.artifact(packaging=artefact.packaging).resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise DownloadError(coordinate=artefact.coordinate, reason=str(error)) from error


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class ArtefactCache:
    """The cache at one directory; several processes may use it at once."""

    directory: Path
    console: Console
    download: Download = download_from_maven

    def install(self, distribution: Distribution) -> Path:
        """Return the unpacked tree of a distribution, downloading what is missing.

        Raises DownloadError or ChecksumMismatchError.
        """
        tree = self.directory / distribution.directory_name
        if tree.is_dir():
            return tree
        with self._locked():
            if not tree.is_dir():
                files = self._fetch(distribution)
                with self._scratch_directory() as scratch:
                    self.console.print(f"Unpacking {distribution.name} {distribution.version}")
                    building = scratch / "tree"
                    building.mkdir()
                    for artefact, file in files:
                        _unpack(artefact, file, building)
                    building.rename(tree)
                for _, file in files:
                    file.unlink()
        return tree

    def _fetch(self, distribution: Distribution) -> list[tuple[Artefact, Path]]:
        """Return every artefact with its checked file."""
        name, count = f"{distribution.name} {distribution.version}", len(distribution.artefacts)
        self.console.print(f"Fetching {name}: {count} files into {self.directory}")
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        given_up = threading.Event()
        with Progress(*columns, console=self.console, transient=True) as progress:

            @contextmanager
            def report_size(filename: str, size: int) -> Iterator[Callable[[int], None]]:
                if not self.console.is_terminal and size >= WORTH_A_LINE_BYTES:
                    self.console.print(f"  {filename} ({size / 1_000_000:.0f} MB)")
                task = progress.add_task(filename, total=size)

                def advance(count: int) -> None:
                    if given_up.is_set():
                        raise CancelledError
                    progress.update(task, advance=count)

                yield advance
                progress.remove_task(task)

            with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
                downloads = [
                    pool.submit(self._obtain, artefact, report_size) for artefact in distribution.artefacts
                ]
                try:
                    files = [download.result() for download in downloads]
                finally:
                    # After an interruption or a failure, not when all have ended: then both do nothing.
                    given_up.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        return list(zip(distribution.artefacts, files, strict=True))

    def _obtain(self, artefact: Artefact, report_size: ReportSize) -> Path:
        """Return the checked file of an artefact, downloaded unless a whole one is there."""
        kept = self.directory / "downloads" / artefact.filename
        if kept.exists() and sha256_of(kept) == artefact.sha256:
            return kept
        with self._scratch_directory() as scratch:
            arrived = self._download_patiently(artefact, scratch, report_size)
            actual = sha256_of(arrived)
            if actual != artefact.sha256:
                raise ChecksumMismatchError(
                    coordinate=artefact.coordinate, expected=artefact.sha256, actual=actual
                )
            kept.parent.mkdir(exist_ok=True)
            arrived.replace(kept)
        return kept

    def _download_patiently(self, artefact: Artefact, scratch: Path, report_size: ReportSize) -> Path:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                # A directory for each attempt: what a broken one left must not be taken for the file.
                return self.download(artefact, scratch / str(attempt), report_size)
            except DownloadError as error:
                if attempt == ATTEMPTS:
                    raise
                self.console.print(f"  {artefact.filename}: {error.reason}; trying again")
        raise AssertionError("unreachable")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the cache against other processes, and clear what killed ones left."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.console.print("Waiting for another process that is downloading")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self.directory.glob("partial-*"):
                shutil.rmtree(leftover)
            yield

    @contextmanager
    def _scratch_directory(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="partial-", dir=self.directory) as scratch:
            yield Path(scratch)


def _unpack(artefact: Artefact, file: Path, tree: Path) -> None:
    """Add one file to a tree: a server archive is its root, a zip is a plugin, a jar is a library."""
    if artefact.packaging == "tar.gz":
        with tarfile.open(file) as archive:
            # The checksum has vouched for it. An attribute, because CPython 3.11.2 has no such argument.
            archive.extraction_filter = lambda member, _: member
            archive.extractall(tree, members=_without_top_directory(archive))  # noqa: S202
    elif artefact.packaging == "zip":
        plugin = tree / "plugin" / artefact.name.removeprefix("trino-")
        plugin.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree) as unpacked, zipfile.ZipFile(file) as archive:
            archive.extractall(unpacked)  # noqa: S202
            (top,) = Path(unpacked).iterdir()
            top.rename(plugin)
    else:
        libraries = tree / "libs"
        libraries.mkdir(exist_ok=True)
        shutil.copy2(file, libraries / artefact.filename)


def _without_top_directory(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        member.name = member.name.partition("/")[2]
        if member.islnk():
            member.linkname = member.linkname.partition("/")[2]
        if member.name:
            yield member

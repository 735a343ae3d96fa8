from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from stack.artefact_cache import ArtefactCache, ReportSize, cache_directory
from stack.errors import ChecksumMismatchError, DownloadError
from stack.pins import Artefact, Distribution


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("server-1/lib/same.jar")
        link.type, link.linkname = tarfile.LNKTYPE, "server-1/lib/one.jar"
        archive.addfile(link)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


CONTENTS = {
    "server-1.tar.gz": tar_gz({"server-1/lib/one.jar": b"one", "server-1/README": b"read"}),
    "trino-memory-1.zip": zipped({"trino-memory-1/memory.jar": b"memory"}),
    "library-1.jar": b"library",
}


def artefact(name: str, packaging: str) -> Artefact:
    content = CONTENTS[f"{name}-1.{packaging}"]
    return Artefact("group", name, packaging, "1", hashlib.sha256(content).hexdigest())


SERVER = artefact("server", "tar.gz")
PLUGIN = artefact("trino-memory", "zip")
LIBRARY = artefact("library", "jar")
DISTRIBUTION = Distribution("engine", "1", (SERVER, PLUGIN, LIBRARY))


class Repository:
    """Serves CONTENTS, notes what was asked for, and fails as told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.contents = dict(CONTENTS)
        self.failures: dict[str, list[Exception]] = {}

    def __call__(self, artefact: Artefact, directory: Path, report_size: ReportSize) -> Path:
        self.asked.append(artefact.filename)
        directory.mkdir(parents=True)
        file = directory / artefact.filename
        content = self.contents[artefact.filename]
        with report_size(artefact.filename, len(content)) as advance:
            if self.failures.get(artefact.filename):
                file.write_bytes(content[:3])
                raise self.failures[artefact.filename].pop(0)
            file.write_bytes(content)
            advance(len(content))
        return file


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def cache(tmp_path: Path, repository: Repository) -> ArtefactCache:
    return ArtefactCache(tmp_path / "cache", Console(file=io.StringIO()), download=repository)


def test_install_unpacks_server_plugins_and_libraries_into_one_tree(cache):
    tree = cache.install(DISTRIBUTION)
    files = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert files == {
        "README": b"read",
        "lib/one.jar": b"one",
        "lib/same.jar": b"one",
        "plugin/memory/memory.jar": b"memory",
        "libs/library-1.jar": b"library",
    }


def test_second_clone_downloads_nothing(cache, repository):
    first = cache.install(DISTRIBUTION)
    asked = list(repository.asked)
    assert cache.install(DISTRIBUTION) == first
    assert repository.asked == asked


def test_another_pin_is_another_tree(cache):
    other = Distribution("engine", "1", (LIBRARY,))
    assert cache.install(DISTRIBUTION) != cache.install(other)


def test_file_that_is_not_the_pinned_one_is_refused_and_not_kept(cache, repository, tmp_path):
    repository.contents["library-1.jar"] = b"something else"
    actual = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ChecksumMismatchError) as caught:
        cache.install(DISTRIBUTION)
    assert "group:library:jar:1" in str(caught.value)
    assert LIBRARY.sha256 in str(caught.value)
    assert actual in str(caught.value)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [path for path in files if path.read_bytes() == b"something else"] == []
    assert not (tmp_path / "cache" / DISTRIBUTION.directory_name).exists()


def test_interrupted_download_never_counts(cache, repository):
    repository.failures["library-1.jar"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        cache.install(Distribution("engine", "1", (LIBRARY,)))
    tree = cache.install(Distribution("engine", "1", (LIBRARY,)))
    assert (tree / "libs" / "library-1.jar").read_bytes() == b"library"
    assert repository.asked == ["library-1.jar", "library-1.jar"]


def test_whole_files_are_not_fetched_again_after_an_interruption(cache, repository, monkeypatch):
    monkeypatch.setattr("stack.artefact_cache.PARALLEL_DOWNLOADS", 1)
    repository.failures["library-1.jar"] = [KeyboardInterrupt()]
    both = Distribution("engine", "1", (SERVER, LIBRARY))
    with pytest.raises(KeyboardInterrupt):
        cache.install(both)
    cache.install(both)
    assert repository.asked == ["server-1.tar.gz", "library-1.jar", "library-1.jar"]


def test_half_file_under_the_final_name_is_fetched_again(cache, repository, tmp_path):
    downloads = tmp_path / "cache" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / "library-1.jar").write_bytes(b"lib")
    tree = cache.install(Distribution("engine", "1", (LIBRARY,)))
    assert (tree / "libs" / "library-1.jar").read_bytes() == b"library"


def test_what_a_killed_run_left_is_cleared_and_does_not_count(cache, tmp_path):
    leftover = tmp_path / "cache" / "partial-killed" / "tree"
    leftover.mkdir(parents=True)
    (leftover / "half.jar").write_bytes(b"half")
    tree = cache.install(DISTRIBUTION)
    assert not (tree / "half.jar").exists()
    assert list((tmp_path / "cache").glob("partial-*")) == []


def test_download_is_tried_again_after_a_network_failure(cache, repository):
    repository.failures["library-1.jar"] = [DownloadError(coordinate="c", reason="reset")] * 2
    tree = cache.install(Distribution("engine", "1", (LIBRARY,)))
    assert (tree / "libs" / "library-1.jar").read_bytes() == b"library"


def test_download_gives_up_after_three_attempts(cache, repository):
    repository.failures["library-1.jar"] = [DownloadError(coordinate="c", reason="reset")] * 3
    with pytest.raises(DownloadError, match="reset"):
        cache.install(Distribution("engine", "1", (LIBRARY,)))
    assert repository.asked == ["library-1.jar"] * 3


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LAKEHOUSE_CACHE": "/one", "XDG_CACHE_HOME": "/two"}, Path("/one")),
        ({"XDG_CACHE_HOME": "/two"}, Path("/two/lakehouse")),
        ({}, Path.home() / ".cache" / "lakehouse"),
    ],
)
def test_cache_directory_is_the_users_own_unless_named(environment, expected):
    assert cache_directory(environment) == expected

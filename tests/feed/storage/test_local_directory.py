from __future__ import annotations

import pytest

from feed import Compression, Format, LocalDirectory, Options, generate
from feed.sinks import file_sink

KINDS = [(file_format, compression) for file_format in Format for compression in Compression]


@pytest.mark.parametrize(("file_format", "compression"), KINDS)
def test_a_file_is_there_only_when_it_is_whole(tmp_path, file_format, compression):
    path = tmp_path / "feed.data"
    event = next(generate(Options(events=1)))

    with LocalDirectory(tmp_path).new_file(path.name) as stream:
        with file_sink(stream, file_format=file_format, compression=compression) as sink:
            sink.write(event)
        assert not path.exists()

    assert path.stat().st_size > 0


@pytest.mark.parametrize(("file_format", "compression"), KINDS)
def test_an_interrupted_file_is_not_there(tmp_path, file_format, compression):
    event = next(generate(Options(events=1)))

    def write_half() -> None:
        with (
            LocalDirectory(tmp_path).new_file("feed.data") as stream,
            file_sink(stream, file_format=file_format, compression=compression) as sink,
        ):
            sink.write(event)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert not (tmp_path / "feed.data").exists()

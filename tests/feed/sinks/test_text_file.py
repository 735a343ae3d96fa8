from __future__ import annotations

import pytest

from feed import Compression, Format, Options, generate
from feed.sinks.text_file import open_text_file


@pytest.mark.parametrize("compression", Compression)
def test_a_file_is_there_only_when_it_is_whole(tmp_path, compression):
    path = tmp_path / "feed.csv"
    event = next(generate(Options(events=1)))

    with open_text_file(path, file_format=Format.CSV, compression=compression) as sink:
        sink.write(event)
        assert not path.exists()

    assert path.exists()


@pytest.mark.parametrize("compression", Compression)
def test_an_interrupted_file_is_not_there(tmp_path, compression):
    path = tmp_path / "feed.csv"
    event = next(generate(Options(events=1)))

    def write_half() -> None:
        with open_text_file(path, file_format=Format.CSV, compression=compression) as sink:
            sink.write(event)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert not path.exists()

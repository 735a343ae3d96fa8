from __future__ import annotations

from stack.log_files import tail


def test_tail_is_the_last_lines_cut_to_a_width(tmp_path):
    log = tmp_path / "trino.log"
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(5)) + b"x" * 1000 + b"\n")
    assert tail(log, lines=2, width=10) == "line 4 \ufffd\n" + "x" * 10


def test_missing_log_has_no_tail(tmp_path):
    assert tail(tmp_path / "trino.log") == ""

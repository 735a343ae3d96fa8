from __future__ import annotations

import subprocess

from stack.layout import CLONE


def setup(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CLONE / "stack" / "setup.sh"],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_missing_python_is_told_with_what_to_do(tmp_path):
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    result = setup(PYTHON=str(shim))
    assert result.returncode == 1
    assert "no CPython 3.11, 3.12 or 3.13" in result.stderr
    assert str(shim) in result.stderr
    assert "make setup PYTHON=" in result.stderr

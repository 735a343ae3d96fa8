"""Entry point of ``python -m stack``."""

from __future__ import annotations

from stack.cli import main

if __name__ == "__main__":
    main(prog_name="python -m stack")

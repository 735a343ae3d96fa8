"""Where the engines are and how to sign in: the environment, and a `.env` file behind it."""

from __future__ import annotations

import os

from dotenv import dotenv_values, find_dotenv


def read_environment() -> dict[str, str]:
    """Return the process environment over the nearest `.env` above the working directory."""
    found = find_dotenv(usecwd=True)
    defaults = {name: value for name, value in dotenv_values(found).items() if value} if found else {}
    return defaults | dict(os.environ)

#!/bin/sh
# Regenerates the hash locks. Only wheels: a source distribution may download or compile anything while it installs.
# The locks name no index and no host; which registry serves them is the user's own configuration.
set -eu
cd "$(dirname "$0")/.."

lock() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@"
}

lock pyproject.toml --output-file requirements.txt
lock pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
sed -n 's/^  "\(uv==[0-9.]*\)".*/\1/p' pyproject.toml | lock - --no-annotate --output-file stack/requirements-uv.txt

#!/bin/sh
# Makes .venv from nothing but CPython: a pinned uv, then the hash-locked requirements, then this project itself.
set -eu
cd "$(dirname "$0")/.."

# A name on PATH proves little (a version manager's shim may exist and not run; Debian splits venv off), so each candidate is tried.
suitable='import ensurepip, sys, venv; sys.exit(not ((3, 11) <= sys.version_info[:2] < (3, 14) and sys.implementation.name == "cpython"))'
python=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 /usr/bin/python3}; do
    if "$candidate" -c "$suitable" >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: no CPython 3.11, 3.12 or 3.13 with the venv module was found (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3})." >&2
    echo "setup: install one (on Debian: apt install python3 python3-venv), or name yours: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi

echo "setup: $("$python" --version) ($(command -v "$python")) → .venv"
[ -x .venv/bin/python ] && .venv/bin/python -c "$suitable" >/dev/null 2>&1 || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r stack/requirements-uv.txt
.venv/bin/uv pip sync --quiet --python .venv/bin/python --only-binary :all: --require-hashes requirements-dev.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --offline --editable .
touch .venv/ready
echo "setup: done"

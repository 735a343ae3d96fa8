#!/bin/sh
# Regenerates requirements-postgres.txt as stack/lock.sh does the other locks; `make lock` comes first.
set -eu
cd "$(dirname "$0")/../.."
.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command docker/airflow/lock.sh ${UPGRADE:+--upgrade} \
    --constraint requirements.txt docker/airflow/requirements-postgres.in --output-file docker/airflow/requirements-postgres.txt

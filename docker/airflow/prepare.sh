#!/bin/sh
# Brings Airflow's database to this version, and writes the sign-in so that nobody else can read it.
set -eu
airflow db migrate

umask 077
python -c '
import json, os
with open(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"], "w", encoding="utf-8") as passwords:
    json.dump({os.environ["AIRFLOW_USER"]: os.environ["AIRFLOW_PASSWORD"]}, passwords)
'

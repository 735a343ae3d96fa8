# Every target is one call of the project's own commands; `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
RUN := .venv/bin/python -m stack
export PYTHON

.PHONY: help setup demo up down status reset tables certificate verify-engine dbt-manifest dbt-docs test test-long lint lock bench-files bench-kafka bench-transform bench-arrival

##@ Start here
demo: .venv/ready ## Install, start, load a generated feed through Airflow and prove what arrived; leaves the stack running
	$(RUN) demo
setup: ## Make .venv from nothing but CPython 3.11 to 3.13 (PYTHON=… names one)
	stack/setup.sh
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

##@ The local stack
up: .venv/ready ## Start every engine, wait until each answers a real request, create or upgrade the tables
	$(RUN) up
down: .venv/ready ## Stop everything; the data stays
	$(RUN) down
status: .venv/ready ## Each engine: up or not, version, port, memory
	$(RUN) status
reset: .venv/ready ## Stop everything and delete the data, after asking
	$(RUN) reset

##@ The lakehouse
tables: .venv/ready ## Create or upgrade the tables
	$(RUN) run -- lakehouse tables
certificate: .venv/ready ## Did everything arrive exactly once? Non-zero when anything is off
	$(RUN) run -- lakehouse certificate
verify-engine: .venv/ready ## Check that the Trino of .env keeps the promises a load rests on
	$(RUN) run -- lakehouse verify-engine

##@ Silver and gold
dbt-manifest: .venv/ready ## After a change of models: build the graph that Airflow draws anew
	.venv/bin/lakehouse dbt-manifest
dbt-docs: .venv/ready ## Make the documentation of the models; Airflow shows it to those who are signed in
	$(RUN) run -- dbt --quiet docs generate --static

##@ Development
lint: .venv/ready ## ruff, mypy, sqlfluff
	$(RUN) lint
test: .venv/ready ## Lint and every test, on engines of the tests' own
	$(RUN) test
test-long: .venv/ready ## The same with full counts
	$(RUN) test --long
bench-files: .venv/ready ## How fast files become rows, on engines of its own; writes bench/results/files.json (CASE=… runs one)
	.venv/bin/python -m bench.files $(if $(CASE),--case $(CASE))
bench-kafka: .venv/ready ## How fast messages become rows, likewise; writes bench/results/kafka.json
	.venv/bin/python -m bench.kafka $(if $(CASE),--case $(CASE))
bench-transform: .venv/ready ## How long the DAG of silver and gold takes, on a stack of its own; writes bench/results/transform.json (CASE=…)
	.venv/bin/python -m bench.transform $(if $(CASE),--case $(CASE))
bench-arrival: .venv/ready ## How long an object waits until it is loaded, on a stack of its own; writes bench/results/arrival.json (CASE=…)
	.venv/bin/python -m bench.arrival $(if $(CASE),--case $(CASE))
lock: .venv/ready ## Regenerate the hash locks (UPGRADE=1 takes newer versions)
	stack/lock.sh

.venv/ready: stack/setup.sh stack/requirements-uv.txt requirements-dev.txt pyproject.toml
	stack/setup.sh

"""Where to look at a source: the pages of its DAG."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lakehouse.contracts.contract import Contract

_DAG_IDS = {"files": "ingest_files__{name}", "kafka": "ingest_kafka__{name}", "rows": "ingest_rows"}
_OF_THE_PLATFORM = "check_platform"


def dag_of(contract: Contract) -> str:
    """The id of the DAG that loads a source."""
    return _DAG_IDS[contract.kind].format(name=contract.name)


def links_to(base_url: str, contracts: Iterable[Contract]) -> Callable[[str], str]:
    """A link for each source by its name, to the check's own DAG where it is none; empty without an address.

    :param base_url: of Airflow.
    """
    dags = {contract.name: dag_of(contract) for contract in contracts}

    def link_of(source: str) -> str:
        return f"{base_url.rstrip('/')}/dags/{dags.get(source, _OF_THE_PLATFORM)}" if base_url else ""

    return link_of

"""Airflow DAGs that drain topics: ``ingest_kafka__<source>`` for each Kafka contract in ``include/contracts/``.

A contract that is wrong has no DAG here; ``contract_errors.py`` shows what is wrong with it.
"""

from __future__ import annotations

from lakehouse.contracts import KafkaContract
from lakehouse.dag_factory import ingest_kafka_dag
from lakehouse.sources import usable_sources

for source in usable_sources(KafkaContract):
    dag = ingest_kafka_dag(source)
    globals()[dag.dag_id] = dag

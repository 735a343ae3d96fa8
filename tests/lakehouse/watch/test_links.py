from __future__ import annotations

from lakehouse.watch.links import links_to
from tests.lakehouse.watch.doubles import contract_of


def test_a_source_links_to_its_dag_and_what_is_none_to_the_check():
    link_of = links_to("http://airflow/", [contract_of(), contract_of("calls", kind="rows")])
    assert link_of("visits") == "http://airflow/dags/ingest_files__visits"
    assert link_of("calls") == "http://airflow/dags/ingest_rows"
    assert link_of("s3://warehouse/staging/") == "http://airflow/dags/check_platform"


def test_without_an_address_there_is_no_link():
    assert links_to("", [contract_of()])("visits") == ""

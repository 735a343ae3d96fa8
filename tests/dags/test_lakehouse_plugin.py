from __future__ import annotations

from pathlib import Path

import pytest
from airflow._shared.module_loading import find_path_from_directory
from airflow.plugins_manager import get_import_errors, get_operator_extra_links

from lakehouse.operators.trino_query_link import TrinoQueryLink

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_airflow_imports_the_plugin_alone_and_not_the_modules_of_the_library():
    # It imports what it finds by bare name: a module of the library would stand in for a package of that name.
    found = {Path(path) for path in find_path_from_directory(str(PLUGINS), ".airflowignore")}
    assert {path for path in found if path.suffix == ".py"} == {PLUGINS / "lakehouse_plugin.py"}


def test_the_web_interface_knows_the_link_to_a_query():
    assert get_import_errors() == {}
    assert TrinoQueryLink in {type(link) for link in get_operator_extra_links()}

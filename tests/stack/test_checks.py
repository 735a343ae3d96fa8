"""What ``make lint`` finds in a template of SQL."""

from __future__ import annotations

import subprocess

import pytest

from stack.environment import VENV_BIN
from stack.layout import CLONE

TEMPLATE = """\
merge into {{ target | identifier }} as target
using (
    select
        {%- for column in columns %}
        {{ column | identifier }},
        {%- endfor %}
        {{ bind(source_id) }} as _source_id
    from {{ staging | identifier }}
    where kind = {{ kind | literal }}
) as staged
    on target._source_id = staged._source_id
when not matched then insert (_source_id) values (staged._source_id)
"""


def findings(template: str) -> str:
    """What sqlfluff finds in a template that lies in ``include/sql``."""
    command = [VENV_BIN / "sqlfluff", "lint", "--format", "github-annotation-native"]
    command += ["--stdin-filename", "include/sql/template.sql", "-"]
    return subprocess.run(command, cwd=CLONE, input=template, text=True, capture_output=True, check=False).stdout


def test_a_template_as_the_project_writes_them_has_no_findings() -> None:
    assert findings(TEMPLATE) == ""


@pytest.mark.parametrize(
    ("written", "instead", "rule"),
    [
        ("    select", "    SELECT", "CP01"),
        ("    from {{", "  from {{", "LT02"),
        ("where kind = ", "where kind = = ", "PRS"),
    ],
    ids=["upper case", "indentation", "syntax"],
)
def test_a_badly_written_line_of_a_template_is_found(written: str, instead: str, rule: str) -> None:
    assert rule in findings(TEMPLATE.replace(written, instead, 1))

"""The JSON Schema that editors check contracts with. ``python -m lakehouse.contracts.json_schema`` writes it."""

from __future__ import annotations

import json

from lakehouse.contracts.kinds import ANY_CONTRACT
from lakehouse.paths import CONTRACTS

SCHEMA_PATH = CONTRACTS / "contract.schema.json"


def contract_schema() -> str:
    """The schema's text, as it is kept beside the contracts."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ANY_CONTRACT.json_schema(by_alias=True),
        "title": "The contract of a source",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_PATH.write_text(contract_schema(), encoding="utf-8")

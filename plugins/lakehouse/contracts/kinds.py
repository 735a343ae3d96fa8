"""The kinds of contracts there are, told apart by their ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, TypeAdapter

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.rows_contract import RowsContract

AnyContract = FilesContract | KafkaContract | RowsContract

KINDS: Mapping[str, type[Contract]] = {"files": FilesContract, "kafka": KafkaContract, "rows": RowsContract}
ANY_CONTRACT: TypeAdapter[AnyContract] = TypeAdapter(Annotated[AnyContract, Field(discriminator="kind")])


def kind_of(model: type[Contract]) -> str:
    """What contracts of a class write as their ``kind``."""
    return next(kind for kind, of_kind in KINDS.items() if of_kind is model)

"""What an operator asks first: for each source, what came and what is the matter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lakehouse.broker import BrokerRefusedError, BrokerUnavailableError
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.errors import StoreUnavailableError
from lakehouse.store import StoreRefusedError
from lakehouse.watch.checks import ConditionChange, States
from lakehouse.watch.condition import KAFKA, STORE
from lakehouse.watch.facts import Loads, OpenRejects, RefusedFile
from lakehouse.watch.inspection import Inspection
from lakehouse.watch.judgement import SourceLag

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceStatus:
    """One source.

    :param newest_load: when its newest load ended; None when there never was one.
    :param freshness_seconds: the objective; None without one.
    :param is_fresh: whether it is kept; None without one.
    :param refused_files: None when the store was not to be asked.
    :param lag: messages still to be read; None for other sources than Kafka's, and when it was not to be asked.
    :param missing: messages that were deleted before they were read; None likewise.
    :param conditions: kinds of the conditions that are open.
    """

    source: str
    kind: str
    newest_load: datetime | None
    freshness_seconds: int | None
    is_fresh: bool | None
    rows_today: int
    open_rejects: int
    refused_files: int | None
    lag: int | None
    missing: int | None
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class PlatformStatus:
    """All sources.

    :param conditions: every condition that is open, as the newest check left it.
    :param silent: what did not answer just now.
    """

    sources: tuple[SourceStatus, ...]
    conditions: tuple[ConditionChange, ...]
    silent: tuple[str, ...]


def read_status(
    contracts: Sequence[Contract], *, inspection: Inspection, states: States, now: datetime
) -> PlatformStatus:
    """Ask the tables, the store and the brokers. Changes nothing.

    :raises LakehouseError: the engine does not answer.
    """
    loads = inspection.facts.loads()
    rejects = inspection.facts.open_rejects()
    refused = _refused(inspection)
    lags = _lags(contracts, inspection)
    is_open = tuple(sorted(states.open().values(), key=lambda opening: opening.opened_at))
    watched = states.watched()
    sources = []
    for contract in contracts:
        of = loads.get(contract.name, Loads())
        lag = lags.get(contract.name) if lags is not None else None
        begun = of.newest or watched.get(contract.name, now)
        sources.append(
            SourceStatus(
                source=contract.name,
                kind=contract.kind,
                newest_load=of.newest,
                freshness_seconds=None if contract.freshness is None else int(contract.freshness.total_seconds()),
                is_fresh=now <= begun + contract.freshness if contract.freshness is not None else None,
                rows_today=of.rows_today,
                open_rejects=rejects.get(contract.name, OpenRejects()).all,
                refused_files=None if refused is None else sum(file.contract == contract.name for file in refused),
                lag=None if lag is None else lag.messages,
                missing=None if lag is None else lag.missing,
                conditions=tuple(opening.kind for opening in is_open if opening.source == contract.name),
            )
        )
    silent = [name for name, answer in ((STORE, refused), (KAFKA, lags)) if answer is None]
    return PlatformStatus(sources=tuple(sources), conditions=is_open, silent=tuple(silent))


def _refused(inspection: Inspection) -> tuple[RefusedFile, ...] | None:
    try:
        return inspection.refused_files()
    except (StoreUnavailableError, StoreRefusedError) as error:
        _LOG.error("%s", error)
        return None


def _lags(contracts: Sequence[Contract], inspection: Inspection) -> dict[str, SourceLag] | None:
    try:
        return {each.name: inspection.lag(each) for each in contracts if isinstance(each, KafkaContract)}
    except (BrokerUnavailableError, BrokerRefusedError) as error:
        _LOG.error("%s", error)
        return None

"""One check of the platform: judge, store what changed, tell what is untold."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lakehouse.broker import Broker
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.engine import Engine
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.sources import usable_sources
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import read_table_definitions
from lakehouse.watch.alert import Alert, AlertNotSentError, Notifier
from lakehouse.watch.checks import (
    Change,
    Checks,
    ConditionChange,
    States,
    clearing_of,
    watched_from,
)
from lakehouse.watch.condition import KAFKA, PLATFORM, STORE, Finding, Judgement, Kind
from lakehouse.watch.inspection import Inspection
from lakehouse.watch.landing import files_contracts, landings
from lakehouse.watch.links import links_to

_LOG = logging.getLogger(__name__)

#: What a check looks back at when it does not know when the last one was; longer than the time between two.
LOOK_BACK = timedelta(minutes=15)


@dataclass(frozen=True)
class CheckReport:
    """What a check came to.

    :param open: every condition that is open after it.
    :param told: how many alerts were sent.
    """

    opened: tuple[ConditionChange, ...]
    cleared: tuple[ConditionChange, ...]
    open: tuple[ConditionChange, ...]
    told: int


class PlatformCheck:
    """Checks sources, and what they rest on.

    :param contracts: the sources. Conditions of other sources are left as they are.
    :param targets: the bronze tables.
    :param broker: makes the brokers; None where there is no Kafka.
    :param notifier: carries alerts; None to leave them to the next check that has one.
    :param link_of: where to look, by the name of a source.
    :param is_gone: whether a source of this name was there and no longer is: its conditions are cleared.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        targets: Collection[str],
        engine: Engine,
        store: ObjectStore,
        broker: Callable[[], Broker] | None = None,
        notifier: Notifier | None = None,
        link_of: Callable[[str], str] = lambda _source: "",
        is_gone: Callable[[str], bool] = lambda _source: False,
        run: str = "",
        clock: Clock = system_clock,
    ) -> None:
        self._contracts = tuple(contracts)
        self._targets = targets
        self._engine = engine
        self._store = store
        self._broker = broker
        self._notifier = notifier
        self._link_of = link_of
        self._is_gone = is_gone
        self._clock = clock
        check_id = "" if notifier is None else uuid.uuid4().hex
        self._checks = Checks(engine=engine, check_id=check_id, run=run, clock=clock)

    @classmethod
    def of_all_sources(
        cls,
        *,
        engine: Engine,
        store: ObjectStore,
        broker: Callable[[], Broker] | None,
        notifier: Notifier | None,
        base_url: str,
        run: str,
        clock: Clock = system_clock,
    ) -> PlatformCheck:
        """The check of every source whose contract can be read.

        :param base_url: of Airflow, for links; empty for none.
        """
        contracts = [source.contract for source in usable_sources(Contract)]
        known = {path.stem for path in CONTRACTS.glob("*.yaml")} | {PLATFORM, STORE}
        known |= {KAFKA for contract in contracts if isinstance(contract, KafkaContract)}
        known |= {landing.uri for landing in landings(files_contracts(contracts))}
        return cls(
            contracts,
            targets=read_table_definitions(BRONZE_TABLES),
            engine=engine,
            store=store,
            broker=broker,
            notifier=notifier,
            link_of=links_to(base_url, contracts),
            is_gone=lambda source: source not in known,
            run=run,
            clock=clock,
        )

    def run(self, *, touched_since: datetime | None = None, is_full: bool = False) -> CheckReport:
        """Check once. Without a change, nothing is written.

        :param touched_since: the certificate is asked of what was loaded from then on; of the last
            :data:`LOOK_BACK` when it is None.
        :param is_full: the certificate is asked of everything.
        :raises LakehouseError: the engine does not answer.
        :raises AlertNotSentError: alerts could not be sent; everything else is done.
        """
        now = self._clock()
        states = self._checks.read()
        judgement = self._judge(states, touched_since=touched_since, is_full=is_full, now=now)
        watched = watched_from(self._unwatched(states), now=now)
        opened = self._opened(states, judgement.findings, now=now)
        cleared = self._cleared(states, judgement, now=now)
        self._checks.append_found([*watched, *opened, *cleared])
        told = self._tell() if opened or cleared or states.untold() else 0
        over = {change.condition_key for change in cleared}
        still_open = [opening for key, opening in states.open().items() if key not in over]
        return CheckReport(opened=tuple(opened), cleared=tuple(cleared), open=(*still_open, *opened), told=told)

    def judge(self, *, touched_since: datetime | None = None, is_full: bool = False) -> Judgement:
        """What is the matter now; nothing is stored, and nobody told.

        :raises LakehouseError: the engine does not answer.
        """
        states = self._checks.read()
        return self._judge(states, touched_since=touched_since, is_full=is_full, now=self._clock())

    def _judge(self, states: States, *, touched_since: datetime | None, is_full: bool, now: datetime) -> Judgement:
        # What was off is asked of until it is well, and only a look at everything says which source that is.
        is_full = is_full or any(opening.kind == Kind.CERTIFICATE for opening in states.open().values())
        inspection = Inspection(
            self._contracts,
            targets=self._targets,
            engine=self._engine,
            store=self._store,
            broker=self._broker,
            now=now,
        )
        return inspection.judge(
            watched=states.watched(), touched_since=None if is_full else touched_since or now - LOOK_BACK
        )

    def _unwatched(self, states: States) -> list[str]:
        watched = states.watched()
        return [
            contract.name
            for contract in self._contracts
            if contract.freshness is not None and contract.name not in watched
        ]

    def _opened(self, states: States, findings: Sequence[Finding], *, now: datetime) -> list[ConditionChange]:
        is_open = states.open()
        return [
            ConditionChange(
                condition_key=finding.key,
                kind=finding.kind,
                source=finding.source,
                episode=states.last_episode(finding.key) + 1,
                change=Change.OPENED,
                opened_at=now,
                since=finding.since,
                detail=finding.detail,
                runbook=finding.kind.runbook,
                link=self._link_of(finding.source),
            )
            for finding in findings
            if finding.key not in is_open
        ]

    def _cleared(self, states: States, judgement: Judgement, *, now: datetime) -> list[ConditionChange]:
        found = {finding.key for finding in judgement.findings}
        return [
            clearing_of(opening, now=now)
            for key, opening in states.open().items()
            if key not in found and (key in judgement.judged or self._is_gone(opening.source))
        ]

    def _tell(self) -> int:
        if self._notifier is None:
            return 0
        told = []
        failures: dict[str, AlertNotSentError] = {}
        for stored in self._checks.take():
            key = stored.change.condition_key
            if key in failures:
                # Later changes of a condition are told after earlier ones.
                continue
            try:
                self._notifier.send(Alert.of(stored.change))
            except AlertNotSentError as error:
                _LOG.error("%s", error)
                failures[key] = error
            else:
                told.append(stored)
        self._checks.append_told(told)
        for failure in failures.values():
            raise failure
        return len(told)

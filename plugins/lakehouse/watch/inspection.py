"""Gathers facts about sources, and what they rest on, and has them judged. Changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from lakehouse.broker import Broker, BrokerRefusedError, BrokerUnavailableError
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.lag import read_lag
from lakehouse.drain.positions import Positions
from lakehouse.engine import Engine
from lakehouse.errors import ObjectNotFoundError, StoreUnavailableError
from lakehouse.load.ledger import Ledger
from lakehouse.store import ObjectStore, StoreRefusedError
from lakehouse.watch import judgement as judge
from lakehouse.watch.condition import KAFKA, STORE, Judgement
from lakehouse.watch.facts import Facts, RefusedFile
from lakehouse.watch.judgement import SourceLag
from lakehouse.watch.landing import Unmatched, files_contracts, find_unmatched, landings

_LOG = logging.getLogger(__name__)

#: Refused files that are looked for in the store; the newest.
_MOST_LOOKED_FOR = 200
_BROKER_ERRORS = (BrokerUnavailableError, BrokerRefusedError)
_STORE_ERRORS = (StoreUnavailableError, StoreRefusedError)


class Inspection:
    """One look at sources.

    :param contracts: the sources.
    :param targets: the bronze tables.
    :param broker: makes the brokers; None where there is no Kafka.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        targets: Collection[str],
        engine: Engine,
        store: ObjectStore,
        broker: Callable[[], Broker] | None,
        now: datetime,
    ) -> None:
        self._contracts = tuple(contracts)
        self._engine = engine
        self._store = store
        self._make_broker = broker
        self._now = now
        self.facts = Facts(
            engine=engine, contracts=[contract.name for contract in contracts], targets=targets, now=now
        )

    def judge(self, *, watched: Mapping[str, datetime], touched_since: datetime | None) -> Judgement:
        """What is the matter.

        :param watched: since when each source is expected to have loads.
        :param touched_since: the certificate is asked of what was loaded from then on; of everything when None.
        :raises LakehouseError: the engine does not answer.
        """
        contracts = self._contracts
        loads = self.facts.loads()
        rejects = self.facts.open_rejects() if judge.over_budget(contracts, loads) else {}
        return (
            judge.judge_freshness(contracts, loads=loads, watched=watched, now=self._now)
            + judge.judge_rejects(contracts, loads=loads, rejects=rejects)
            + judge.judge_gaps(contracts, gaps=self.facts.gaps())
            + self._judge_certificate(touched_since)
            + self._judge_store()
            + self._judge_kafka()
        )

    def _judge_certificate(self, touched_since: datetime | None) -> Judgement:
        problems = self.facts.problems(touched_since=touched_since)
        if problems:
            # The tables are not read at one moment; what a load moved between two of them is well the next time.
            again = {(each.source_id, each.problems) for each in self.facts.problems(touched_since=touched_since)}
            problems = tuple(each for each in problems if (each.source_id, each.problems) in again)
        return judge.judge_certificate(
            self._contracts, problems=problems, is_full=touched_since is None, now=self._now
        )

    def _judge_store(self) -> Judgement:
        try:
            refused = self.refused_files()
            unmatched = self.unmatched()
        except _STORE_ERRORS as error:
            _LOG.error("The object store was not looked into: %s", error)
            return judge.judge_reach(STORE, error=type(error).__name__)
        return (
            judge.judge_reach(STORE, error=None)
            + judge.judge_refusals(self._contracts, refused=refused)
            + judge.judge_landings(unmatched)
        )

    def _judge_kafka(self) -> Judgement:
        contracts = [contract for contract in self._contracts if isinstance(contract, KafkaContract)]
        if not contracts or self._make_broker is None:
            return Judgement()
        try:
            lags = {contract.name: self.lag(contract) for contract in contracts}
        except _BROKER_ERRORS as error:
            _LOG.error("Kafka was not asked how far behind sources are: %s", error)
            return judge.judge_reach(KAFKA, error=type(error).__name__)
        return judge.judge_reach(KAFKA, error=None) + judge.judge_lag(contracts, lags=lags)

    def refused_files(self) -> tuple[RefusedFile, ...]:
        """The files that were refused, and that are there still: neither deleted nor put back as they once were.

        :raises LakehouseError: engine or store do not answer.
        """
        return tuple(file for file in self.facts.refused_files()[:_MOST_LOOKED_FOR] if self._is_there(file))

    def _is_there(self, file: RefusedFile) -> bool:
        bucket, _, key = file.source.removeprefix("s3://").partition("/")
        try:
            version = self._store.head(bucket=bucket, key=key)
        except ObjectNotFoundError:
            return False
        return file.identity in (None, version.identity)

    def unmatched(self) -> tuple[Unmatched, ...]:
        """What lies under each landing and is no source's.

        :raises LakehouseError: the store does not answer.
        """
        contracts = files_contracts(self._contracts)
        return tuple(
            find_unmatched(landing, contracts=contracts, store=self._store) for landing in landings(contracts)
        )

    def lag(self, contract: KafkaContract) -> SourceLag:
        """How far a Kafka source is behind.

        :raises LakehouseError: engine or brokers do not answer.
        """
        positions = Positions(contract=contract, engine=self._engine, ledger=Ledger(engine=self._engine))
        partitions = read_lag(contract, broker=self._broker, positions=positions)
        return SourceLag(
            messages=sum(partition.lag for partition in partitions),
            missing=sum(partition.missing for partition in partitions),
        )

    @cached_property
    def _broker(self) -> Broker:
        if self._make_broker is None:
            raise BrokerRefusedError(operation="asking for lag", message="no brokers are set")
        return self._make_broker()

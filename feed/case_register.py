"""The figures of all cases, and of the days, from the events as they happen."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from feed.case_history import CaseHistory
from feed.masters import tenants
from feed.timestamps import DAY_MS, date_of_day
from feed.truth import BacklogDay, CaseTruth, FunnelDay, TenantTruth, Truth
from feed.workflow import OPEN_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from feed.cases import Event
    from feed.masters import Tenant
    from feed.options import Options
    from feed.tally import Tally
    from feed.truth import PartitionTruth

_FUNNEL = {
    "CaseSubmitted": "submitted",
    "CaseAssigned": "assigned",
    "CaseResolved": "resolved",
    "CaseClosed": "closed",
    "CaseReopened": "reopened",
    "CaseRejected": "rejected",
}


class CaseRegister:
    """Follows every case through the distinct events, taken in the order they happened.

    It keeps the cases that something may still happen to, and numbers of the others.

    :param on_settled: is given each case when all is known about it.
    """

    def __init__(self, options: Options, *, on_settled: Callable[[CaseHistory], None] | None = None) -> None:
        self._options = options
        self._on_settled = on_settled
        self._histories: dict[int, CaseHistory] = {}
        self._types: Counter[str] = Counter()
        self._dates: Counter[int] = Counter()
        self._figures = {tenant.tenant_id: _Figures() for tenant in tenants(options.tenants)}
        self._days = {tenant.tenant_id: _Days(tenant) for tenant in tenants(options.tenants)}

    def follow(self, event: Event) -> None:
        """Take the next event."""
        self._types[event.transition.event_type] += 1
        self._dates[event.time_ms // DAY_MS] += 1
        history = self._histories.get(event.case_number)
        if history is None:
            history = self._histories[event.case_number] = CaseHistory(event)
        self._days[event.case.tenant.tenant_id].take(event, history)
        history.follow(event)
        if event.is_last:
            self._settle(self._histories.pop(event.case_number))

    def _settle(self, history: CaseHistory) -> None:
        self._figures[history.case.tenant.tenant_id].take(history, as_of_ms=self._options.end_ms)
        if self._on_settled is not None:
            self._on_settled(history)

    def settle_all(self) -> None:
        """End the lives of all cases where they stand: the feed has no more events."""
        for history in self._histories.values():
            self._settle(history)
        self._histories.clear()

    def truth(
        self, tally: Tally, *, partitions: tuple[PartitionTruth, ...] = (), ended_early: bool = False
    ) -> Truth:
        """Return everything that is known, when all is delivered and settled."""
        end_ms = self._options.end_ms
        cities = {tenant.tenant_id: tenant for tenant in tenants(self._options.tenants)}
        total = _Figures()
        for figures in self._figures.values():
            total.add(figures)
        return Truth(
            options=self._options,
            as_of=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=end_ms),
            total=tally.total(),
            ended_early=ended_early,
            files=tuple(tally.files),
            partitions=partitions,
            events_by_type=_sorted(self._types),
            events_by_date={date_of_day(day): count for day, count in sorted(self._dates.items())},
            tenants={
                tenant_id: TenantTruth(
                    zone=cities[tenant_id].zone, events=figures.numbers["events"], cases=figures.truth()
                )
                for tenant_id, figures in sorted(self._figures.items())
            },
            cases=total.truth(),
            funnel=tuple(
                sorted((day for days in self._days.values() for day in days.funnel()), key=_date_and_city)
            ),
            backlog=tuple(
                sorted((day for days in self._days.values() for day in days.backlog(end_ms)), key=_date_and_city)
            ),
        )


class _Figures:
    """Numbers of the cases of one city, or of all."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._ratings: Counter[str] = Counter()

    def take(self, history: CaseHistory, *, as_of_ms: int) -> None:
        is_resolved, is_overdue = history.happened("CaseResolved"), history.is_overdue(as_of_ms=as_of_ms)
        self.numbers["events"] += sum(history.counts.values())
        self.numbers["cases"] += 1
        for name, is_true in (
            ("open", history.is_open),
            ("assigned", history.happened("CaseAssigned")),
            ("resolved", is_resolved),
            ("resolved_late", history.is_resolved_late),
            ("finally_resolved_late", history.is_finally_resolved_late),
            ("open_overdue", is_overdue),
            ("open_overdue_never_resolved", is_overdue and not is_resolved),
            ("breached", history.is_breached(as_of_ms=as_of_ms)),
            ("finally_breached", history.is_finally_breached(as_of_ms=as_of_ms)),
            ("reopened", history.happened("CaseReopened")),
            ("rejected", history.happened("CaseRejected")),
            ("reassigned", history.happened("CaseReassignRequested")),
            ("escalated", history.happened("CaseEscalated")),
        ):
            self.numbers[name] += is_true
        self._statuses[history.status] += 1
        self._states[history.state.value] += 1
        if history.rating is not None:
            self._ratings[str(history.rating)] += 1

    def add(self, other: _Figures) -> None:
        self.numbers += other.numbers
        self._statuses += other._statuses
        self._states += other._states
        self._ratings += other._ratings

    def truth(self) -> CaseTruth:
        numbers = self.numbers
        return CaseTruth(
            cases=numbers["cases"],
            open=numbers["open"],
            by_last_status=_sorted(self._statuses),
            by_last_state=_sorted(self._states),
            assigned=numbers["assigned"],
            resolved=numbers["resolved"],
            resolved_late=numbers["resolved_late"],
            finally_resolved_late=numbers["finally_resolved_late"],
            open_overdue=numbers["open_overdue"],
            open_overdue_never_resolved=numbers["open_overdue_never_resolved"],
            breached=numbers["breached"],
            finally_breached=numbers["finally_breached"],
            reopened=numbers["reopened"],
            rejected=numbers["rejected"],
            reassigned=numbers["reassigned"],
            escalated=numbers["escalated"],
            rated=_sorted(self._ratings),
        )


class _Days:
    """Numbers of the days of one city, which begin and end by its own clock."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant_id = tenant.tenant_id
        self._offset_ms = tenant.utc_offset_minutes * 60_000
        self._events: dict[int, Counter[str]] = {}
        self._moved: dict[int, Counter[str]] = {}

    def take(self, event: Event, before: CaseHistory) -> None:
        """Take an event of a case that does not know of it yet."""
        day = self._day_of(event.time_ms)
        if name := _FUNNEL.get(event.transition.event_type):
            counter = self._events.setdefault(day, Counter())
            counter[f"{name}_events"] += 1
            previous_ms = before.final_ms.get(event.transition.event_type)
            if previous_ms is None or self._day_of(previous_ms) != day:
                counter[f"{name}_cases"] += 1
        moved = self._moved.setdefault(day, Counter())
        if event.from_status is not None and before.is_open:
            moved[event.from_status] -= 1
        if event.transition.target in OPEN_STATES:
            moved[event.status] += 1

    def funnel(self) -> Iterator[FunnelDay]:
        for day, numbers in self._events.items():
            yield FunnelDay(
                date=date_of_day(day),
                tenant_id=self._tenant_id,
                submitted_events=numbers["submitted_events"],
                assigned_events=numbers["assigned_events"],
                resolved_events=numbers["resolved_events"],
                closed_events=numbers["closed_events"],
                reopened_events=numbers["reopened_events"],
                rejected_events=numbers["rejected_events"],
                submitted_cases=numbers["submitted_cases"],
                resolved_cases=numbers["resolved_cases"],
                closed_cases=numbers["closed_cases"],
            )

    def backlog(self, end_ms: int) -> Iterator[BacklogDay]:
        if not self._moved:
            return
        open_cases: Counter[str] = Counter()
        for day in range(min(self._moved), self._day_of(end_ms - 1) + 1):
            open_cases.update(self._moved.get(day, {}))
            yield BacklogDay(date=date_of_day(day), tenant_id=self._tenant_id, open_cases=_sorted(open_cases))

    def _day_of(self, time_ms: int) -> int:
        return (time_ms + self._offset_ms) // DAY_MS


def _date_and_city(day: FunnelDay | BacklogDay) -> tuple[str, str]:
    return day.date, day.tenant_id


def _sorted(counter: Mapping[str, int]) -> dict[str, int]:
    return {key: count for key, count in sorted(counter.items()) if count}

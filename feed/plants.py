"""What goes wrong on the way: events delivered twice, late, out of order, and damaged copies."""

from __future__ import annotations

from enum import Enum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from feed.draws import Draws
from feed.timestamps import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from feed.cases import Event
    from feed.options import Options

_LEAST_LATE_MS = DAY_MS + 6 * HOUR_MS
_MOST_LATE_MS = 6 * DAY_MS
_QUIET_END = 0.05  # no event is held into this last share of the feed, which may stop before its time
_MOST_PLACES = 50
_SAME_MOMENT_SHARE = 0.6  # of the duplicates; the others come hours or days after


class Kind(Enum):
    """What a delivery is."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    DAMAGED = "damaged"


class Delivery(NamedTuple):
    """One record of the feed: an event, and what became of it. Each event has one FIRST delivery."""

    event: Event
    kind: Kind


class Courier:
    """Takes the events of one feed and delivers them with the faults its options ask for."""

    def __init__(self, options: Options) -> None:
        self._draws = Draws(key=options.life_key, purpose="plants")
        self._end_ms = options.end_ms - int((options.end_ms - options.start_ms) * _QUIET_END)
        self._late = _chance_of_late(options, self._end_ms)
        self._out_of_order = options.out_of_order
        self._events_left = options.events
        self._duplicates_left = options.duplicate_count
        self._damaged_left = options.bad_count
        self._delivered = 0
        self._pushed = 0
        # Two waiting rooms: until a time of the feed, and until so many first deliveries were made.
        self._until_time: list[tuple[int, int, Delivery]] = []
        self._until_place: list[tuple[int, int, Delivery]] = []

    def deliver(self, events: Iterable[Event]) -> Iterator[Delivery]:
        """Yield every event once, and the copies, in the order of arrival."""
        draws, until_time, until_place = self._draws, self._until_time, self._until_place
        for event in events:
            chance = draws.random()
            if chance < self._late and event.time_ms + _LEAST_LATE_MS <= self._end_ms:
                longest = min(_MOST_LATE_MS, self._end_ms - event.time_ms)
                release_ms = event.time_ms + _LEAST_LATE_MS + draws.below(longest - _LEAST_LATE_MS + 1)
                self._hold(until_time, release_ms, Delivery(event, Kind.FIRST))
            elif chance > 1.0 - self._out_of_order:
                self._hold(
                    until_place, self._delivered + 1 + draws.below(_MOST_PLACES), Delivery(event, Kind.FIRST)
                )
            else:
                yield self._first(event)
            if until_time and until_time[0][0] <= event.time_ms:
                yield from self._release(until_time, event.time_ms)
            if until_place and until_place[0][0] <= self._delivered:
                yield from self._release(until_place, self._delivered)
        while until_time or until_place:
            waiting = until_time or until_place
            yield from self._release(waiting, waiting[0][0])

    def _release(self, waiting: list[tuple[int, int, Delivery]], limit: int) -> Iterator[Delivery]:
        while waiting and waiting[0][0] <= limit:
            delivery = heappop(waiting)[2]
            yield self._first(delivery.event) if delivery.kind is Kind.FIRST else delivery

    def _hold(self, waiting: list[tuple[int, int, Delivery]], until: int, delivery: Delivery) -> None:
        self._pushed += 1
        heappush(waiting, (until, self._pushed, delivery))

    def _first(self, event: Event) -> Delivery:
        """Deliver the event and decide on its copies: copies left over events left, so the sum is exact."""
        draws = self._draws
        if draws.random() * self._events_left < self._duplicates_left:
            self._duplicates_left -= 1
            duplicate = Delivery(event, Kind.DUPLICATE)
            if draws.random() < _SAME_MOMENT_SHARE:
                self._hold(self._until_place, self._delivered + 1 + draws.below(_MOST_PLACES), duplicate)
            else:
                self._hold(self._until_time, event.time_ms + HOUR_MS + draws.below(3 * DAY_MS), duplicate)
        if draws.random() * self._events_left < self._damaged_left:
            self._damaged_left -= 1
            place = self._delivered + 1 + draws.below(_MOST_PLACES)
            self._hold(self._until_place, place, Delivery(event, Kind.DAMAGED))
        self._events_left -= 1
        self._delivered += 1
        return Delivery(event, Kind.FIRST)


def _chance_of_late(options: Options, end_ms: int) -> float:
    """Return the chance of each event that has room to be late, so that the share holds over all of them."""
    span_ms = options.end_ms - options.start_ms
    room_ms = end_ms - options.start_ms - _LEAST_LATE_MS
    return 0.0 if room_ms <= 0 else min(0.5, options.late * span_ms / room_ms)

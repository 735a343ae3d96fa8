"""The events of a feed in the order they happen, with no more cases in memory than are being worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed.cases import CaseBook
from feed.draws import Draws, Weighted
from feed.masters import tenants
from feed.timestamps import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from feed.cases import Event
    from feed.masters import Tenant
    from feed.options import Options

_BY_HOUR = (6, 4, 3, 2, 3, 8, 22, 45, 72, 96, 100, 94, 82, 74, 70, 72, 76, 78, 70, 60, 48, 34, 20, 11)
_BY_WEEKDAY = (1.15, 1.08, 1.0, 1.0, 0.97, 0.72, 0.5)  # from Monday
_THURSDAY = 3  # of 1970-01-01

_TRIAL_CASES = 4_000
_SPARE = 1.015  # more cases than needed, so that no rush in the last hour has to fill the feed


def generate(options: Options) -> Iterator[Event]:
    """Yield exactly `options.events` distinct good events, ordered by time.

    What comes after the last of them has not happened yet: any case may stop in the middle of its life.
    """
    cities = tenants(options.tenants)
    expected_cases = _expected_cases(options, cities)
    book = CaseBook(
        draws=Draws(key=options.life_key, purpose="cases"),
        feed_key=options.life_key,
        tenants=cities,
        end_ms=options.end_ms,
        expected_cases=expected_cases,
    )
    draws = Draws(key=options.life_key, purpose="arrivals")
    hours = range(options.start_ms, options.end_ms, HOUR_MS)
    cases_by_rhythm = expected_cases / sum(_rhythm(city, hour) for hour in hours for city in cities)
    waiting: dict[int, list[Event]] = {}
    opened, due_cases, yielded = 0, 0.0, 0

    for hour in hours:
        by_city = [(city, _rhythm(city, hour)) for city in cities]
        due_cases += cases_by_rhythm * sum(weight for _, weight in by_city)
        arriving = Weighted(by_city)
        is_last = hour + HOUR_MS == options.end_ms
        while opened < int(due_cases) or (is_last and yielded + len(waiting.get(hour, ())) < options.events):
            opened += 1
            case = book.open_case(draws.pick(arriving), hour + draws.below(HOUR_MS))
            for event in book.live(case):
                waiting.setdefault(event.time_ms - event.time_ms % HOUR_MS, []).append(event)
        for event in sorted(waiting.pop(hour, ())):
            yield event
            yielded += 1
            if yielded == options.events:
                return


def _rhythm(tenant: Tenant, hour_ms: int) -> float:
    """Return how much the tenant complains in the UTC hour that starts then, by its own clock and weekday."""
    local_ms = hour_ms + tenant.utc_offset_minutes * 60_000
    weekday = (local_ms // DAY_MS + _THURSDAY) % 7
    return tenant.size * _BY_HOUR[local_ms % DAY_MS // HOUR_MS] * _BY_WEEKDAY[weekday]


def _expected_cases(options: Options, cities: Sequence[Tenant]) -> int:
    """Return how many cases it takes, by living some on trial: those near the end have few events."""
    book = CaseBook(
        draws=Draws(key=options.life_key, purpose="trial"),
        feed_key=options.life_key,
        tenants=cities,
        end_ms=options.end_ms,
        expected_cases=_TRIAL_CASES,
    )
    step_ms = (options.end_ms - options.start_ms) // _TRIAL_CASES
    events = sum(
        len(book.live(book.open_case(cities[trial % len(cities)], options.start_ms + trial * step_ms)))
        for trial in range(_TRIAL_CASES)
    )
    return int(options.events * _TRIAL_CASES / events * _SPARE) + 1

"""Schedule expressions of AWS: ``at(2026-01-31T08:00:00)``, ``rate(5 minutes)``, ``cron(0 9 ? * MON-FRI *)``. Pure.

Cron's six fields are minutes, hours, day of month, month, day of week (1 is Sunday) and year; one of the two days is ``?``.
https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_FORM = re.compile(r"(at|rate|cron)\((.*)\)")
_RATE = re.compile(r"([1-9]\d{0,6})\s+(minute|hour|day)(s?)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST_YEAR, LAST_YEAR = 1970, 2199


class BadSchedule(ValueError):
    """An expression that means nothing; says why."""


class Schedule(Protocol):
    """When something is due."""

    def after(self, moment: float, anchor: float) -> float | None:
        """The first time after ``moment``, None if there is none.

        Args:
            moment: epoch seconds.
            anchor: epoch seconds from which a rate counts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Once:
    at: float

    def after(self, moment: float, anchor: float) -> float | None:
        return self.at if self.at > moment else None


@dataclass(frozen=True, slots=True)
class Rate:
    seconds: int

    def after(self, moment: float, anchor: float) -> float | None:
        """The first of them is one interval after the anchor."""
        count = max(1, int((moment - anchor) // self.seconds) + 1)
        return anchor + count * self.seconds


@dataclass(frozen=True, slots=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    days: DaysOfMonth | DaysOfWeek
    zone: ZoneInfo

    def after(self, moment: float, anchor: float) -> float | None:
        """Local times that a change of the clocks leaves out are left out; of those that come twice, the first counts."""
        start = datetime.fromtimestamp(moment, self.zone)
        for local in self._from(start.replace(tzinfo=None) - timedelta(hours=3)):
            found = local.replace(tzinfo=self.zone).timestamp()
            if found > moment and datetime.fromtimestamp(found, self.zone).replace(tzinfo=None) == local:
                return found
        return None

    def _from(self, start: datetime) -> Iterator[datetime]:
        """Local times in order, from the day of ``start`` on."""
        for year in sorted(y for y in self.years if y >= start.year):
            for month in sorted(self.months):
                if (year, month) < (start.year, start.month):
                    continue
                for day in sorted(self.days.of(year, month)):
                    if (year, month, day) < (start.year, start.month, start.day):
                        continue
                    for hour in sorted(self.hours):
                        for minute in sorted(self.minutes):
                            yield datetime(year, month, day, hour, minute)


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    numbers: frozenset[int]
    last: bool = False
    last_weekday: bool = False
    nearest: int = 0
    """Day whose nearest weekday of the same month is meant; 0 for none."""

    def of(self, year: int, month: int) -> set[int]:
        length = calendar.monthrange(year, month)[1]
        found = {n for n in self.numbers if n <= length}
        if self.last:
            found.add(length)
        if self.last_weekday:
            found.add(_weekday_near(year, month, length, length))
        if 0 < self.nearest <= length:
            found.add(_weekday_near(year, month, self.nearest, length))
        return found


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """0 is Sunday."""

    numbers: frozenset[int]
    last: int | None = None
    """The last such day of the month."""
    nth: tuple[int, int] | None = None
    """(day, which one of the month)."""

    def of(self, year: int, month: int) -> set[int]:
        length = calendar.monthrange(year, month)[1]
        of_week = {day: (calendar.weekday(year, month, day) + 1) % 7 for day in range(1, length + 1)}
        found = {day for day, number in of_week.items() if number in self.numbers}
        if self.last is not None:
            found.add(max(day for day, number in of_week.items() if number == self.last))
        if self.nth is not None:
            same = [day for day, number in of_week.items() if number == self.nth[0]]
            found |= set(same[self.nth[1] - 1 : self.nth[1]])
        return found


def _weekday_near(year: int, month: int, day: int, length: int) -> int:
    match calendar.weekday(year, month, day):
        case 5:  # Saturday
            return day - 1 if day > 1 else day + 2
        case 6:
            return day + 1 if day < length else day - 2
        case _:
            return day


def following(schedule: Schedule, moment: float, *, anchor: float, start: float | None = None, end: float | None = None) -> float | None:
    """The first time after ``moment`` that is not before ``start`` nor past ``end``; what falls on the start itself counts.

    Args:
        schedule: the expression.
        moment: epoch seconds.
        anchor: epoch seconds from which a rate counts that has no start; a rate with one begins with it.
        start: epoch seconds.
        end: epoch seconds.
    """
    if start is not None and start > moment:
        found = float(start) if isinstance(schedule, Rate) else schedule.after(start - 0.001, start)
    else:
        found = schedule.after(moment, anchor if start is None else start)
    return found if found is not None and (end is None or found <= end) else None


def parse(text: str, timezone: str = "UTC") -> Schedule:
    """A schedule. Raises BadSchedule."""
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise BadSchedule(f"{timezone} is not a time zone") from None
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise BadSchedule("it must be at(...), rate(...) or cron(...)")
    if match[1] == "at":
        return _at(match[2], zone)
    return _rate(match[2]) if match[1] == "rate" else _cron(match[2], zone)


def _at(text: str, zone: ZoneInfo) -> Once:
    try:
        return Once(datetime.strptime(text.strip(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone or UTC).timestamp())
    except (ValueError, OverflowError):
        raise BadSchedule("at(...) must hold a time such as 2026-01-31T08:00:00") from None


def _rate(text: str) -> Rate:
    match = _RATE.fullmatch(text.strip())
    if match is None or (int(match[1]) == 1) != (match[3] == ""):
        raise BadSchedule("rate(...) must hold a number and a unit, such as 1 minute, 2 hours or 3 days")
    return Rate(int(match[1]) * _SECONDS[match[2]])


def _cron(text: str, zone: ZoneInfo) -> Cron:
    fields = text.upper().split()
    if len(fields) != 6:
        raise BadSchedule("cron(...) must hold six fields: minutes, hours, day of month, month, day of week, year")
    minutes, hours, of_month, months, of_week, years = fields
    if (of_month == "?") == (of_week == "?"):
        raise BadSchedule("one of day of month and day of week must be ?, and only one")
    days = _days_of_week(of_week) if of_month == "?" else _days_of_month(of_month)
    return Cron(
        _numbers(minutes, 0, 59), _numbers(hours, 0, 23), _numbers(months, 1, 12, MONTHS), _numbers(years, FIRST_YEAR, LAST_YEAR), days, zone,
    )


def _days_of_month(text: str) -> DaysOfMonth:
    if text == "L":
        return DaysOfMonth(frozenset(), last=True)
    if text == "LW":
        return DaysOfMonth(frozenset(), last_weekday=True)
    if text.endswith("W"):
        return DaysOfMonth(frozenset(), nearest=_number(text[:-1], 1, 31, ()))
    return DaysOfMonth(_numbers(text, 1, 31))


def _days_of_week(text: str) -> DaysOfWeek:
    if text == "L":
        return DaysOfWeek(frozenset({6}))
    if text.endswith("L"):
        return DaysOfWeek(frozenset(), last=_number(text[:-1], 1, 7, DAYS) - 1)
    if "#" in text:
        day, _, which = text.partition("#")
        return DaysOfWeek(frozenset(), nth=(_number(day, 1, 7, DAYS) - 1, _number(which, 1, 5, ())))
    return DaysOfWeek(frozenset(n - 1 for n in _numbers(text, 1, 7, DAYS)))


def _numbers(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """``*``, ``5``, ``1-5``, ``0/15``, ``1-31/2``, and lists of them."""
    found: set[int] = set()
    for part in text.split(","):
        body, slash, step = part.partition("/")
        every = _number(step, 1, high, ()) if slash else 1
        if body == "*":
            first, last = low, high
        elif "-" in body:
            first, last = (_number(end, low, high, names) for end in body.split("-", 1))
        else:
            first = _number(body, low, high, names)
            last = high if slash else first
        if first > last:  # as in FRI-MON
            if not names:
                raise BadSchedule(f"{part} runs backwards")
            found |= {*range(first, high + 1, every), *range(low, last + 1, every)}
        else:
            found |= set(range(first, last + 1, every))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + 1
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSchedule(f"{text or 'nothing'} is not a number from {low} to {high}")
    return int(text)

"""When schedules are due: examples by hand, and every minute of random cron expressions one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.runtime.schedules import BadSchedule, parse


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(expression: str, moment: str, zone: str = "UTC", count: int = 3) -> list[str]:
    found, now = [], at(moment)
    for _ in range(count):
        due = parse(expression, zone).after(now, at(moment))
        if due is None:
            break
        found.append(datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M"))
        now = due
    return found


@pytest.mark.parametrize(("expression", "moment", "due"), [
    ("at(2026-03-01T10:00:00)", "2026-01-01", ["2026-03-01T10:00"]),
    ("at(2026-03-01T10:00:00)", "2026-03-01T10:00:00", []),
    ("rate(1 minute)", "2026-01-01T00:00:30", ["2026-01-01T00:01", "2026-01-01T00:02", "2026-01-01T00:03"]),
    ("rate(2 days)", "2026-01-01", ["2026-01-03T00:00", "2026-01-05T00:00", "2026-01-07T00:00"]),
    ("cron(0 10 ? * MON-FRI *)", "2026-01-02T10:00:00", ["2026-01-05T10:00", "2026-01-06T10:00", "2026-01-07T10:00"]),
    ("cron(0/20 8 * * ? *)", "2026-01-01T08:05:00", ["2026-01-01T08:20", "2026-01-01T08:40", "2026-01-02T08:00"]),
    ("cron(15 12 L * ? *)", "2026-02-01", ["2026-02-28T12:15", "2026-03-31T12:15", "2026-04-30T12:15"]),
    ("cron(0 0 LW * ? *)", "2026-01-01", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-31T00:00"]),
    ("cron(0 0 1W * ? *)", "2026-02-01", ["2026-02-02T00:00", "2026-03-02T00:00", "2026-04-01T00:00"]),
    ("cron(0 0 ? * 6#3 *)", "2026-01-01", ["2026-01-16T00:00", "2026-02-20T00:00", "2026-03-20T00:00"]),
    ("cron(0 0 ? * 1L *)", "2026-01-01", ["2026-01-25T00:00", "2026-02-22T00:00", "2026-03-29T00:00"]),
    ("cron(0 0 ? * SAT-SUN *)", "2026-01-01", ["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-10T00:00"]),
    ("cron(0 0 29 FEB ? *)", "2026-01-01", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
    ("cron(0 0 1 1 ? 2025)", "2026-01-01", []),
])  # fmt: skip
def test_examples(expression: str, moment: str, due: list[str]) -> None:
    assert following(expression, moment) == due


def test_time_zones_and_their_clocks() -> None:
    # 10 o'clock in Berlin is 9 UTC in winter and 8 in summer; the clocks go forward on 2026-03-29
    assert following("cron(0 10 * * ? *)", "2026-03-28T00:00:00", "Europe/Berlin", 2) == ["2026-03-28T09:00", "2026-03-29T08:00"]
    assert following("at(2026-07-01T10:00:00)", "2026-01-01", "Europe/Berlin") == ["2026-07-01T08:00"]
    # half past two does not exist that night, and comes twice on 2026-10-25
    assert following("cron(30 2 * * ? *)", "2026-03-28T12:00:00", "Europe/Berlin", 1) == ["2026-03-30T00:30"]
    assert following("cron(30 2 * * ? *)", "2026-10-24T12:00:00", "Europe/Berlin", 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]


@pytest.mark.parametrize("expression", [
    "", "now", "at(tomorrow)", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(5 seconds)", "cron(* * * * *)",
    "cron(0 0 * * * *)", "cron(0 0 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 * 13 ? *)",
    "cron(0 0 ? * 8 *)", "cron(0 0 5-1 * ? *)", "cron(0 0 ? * 2#6 *)", "cron(a 0 * * ? *)", "cron(0/0 0 * * ? *)",
])  # fmt: skip
def test_refused(expression: str) -> None:
    with pytest.raises(BadSchedule):
        parse(expression)


def test_a_time_zone_must_exist() -> None:
    with pytest.raises(BadSchedule, match="Mars/Olympus"):
        parse("rate(1 day)", "Mars/Olympus")


FIELD = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.builds("{}-{}".format, st.integers(0, 10), st.integers(11, 23)), st.just("1/7"))


@settings(max_examples=60, deadline=None)
@given(FIELD, FIELD.filter(lambda f: not f.isdigit() or int(f) < 24), st.sampled_from(["*", "1-15", "2/3", "L"]), st.integers(0, 10_000_000))
def test_every_minute_that_matches_is_found(minutes: str, hours: str, days: str, moment: int) -> None:
    start = at("2026-01-01") + moment

    def matches(time: datetime) -> bool:
        def one(field: str, value: int) -> bool:
            if "-" in field:
                low, high = map(int, field.split("-"))
                return low <= value <= high
            if "/" in field:
                first, step = map(int, field.split("/"))
                return value >= first and (value - first) % step == 0
            return field == "*" or value == int(field)

        last = datetime.fromtimestamp(time.timestamp() + 86400, UTC).day == 1
        return one(minutes, time.minute) and one(hours, time.hour) and (last if days == "L" else one(days, time.day))

    found = parse(f"cron({minutes} {hours} {days} * ? *)").after(start, start)
    assert found is not None
    probe = start // 60 * 60 + 60
    for _ in range(2000):
        if matches(datetime.fromtimestamp(probe, UTC)):
            assert found == probe
            return
        probe += 60
    assert found >= probe

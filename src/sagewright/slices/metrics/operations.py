"""PutMetricData, GetMetricStatistics, GetMetricData, ListMetrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from ...resources.platform import Platform
from ...stores.metrics import Sample, Series
from ...wire.errors import ServiceError
from ...wire.types import Call
from .data import answer, check_period, dimensions_of, make_token, read_token
from .statistics import buckets, by_unit, known, statistic

PAST, FUTURE = 14 * 86400.0, 2 * 3600.0
"""Seconds that a sample's time may lie off."""
LARGEST = 2.0**360
MOST_POINTS = 1440
MOST_VALUES = 150
PAGE = 500
ACTIVE = 3 * 3600.0
COMPACT_EVERY = 3600.0
log = logging.getLogger(__name__)


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


def clash(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombination", message)


class MetricOperations:
    """The verbs of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.metrics = platform, platform.metrics
        self.arrived: list[Callable[[Sequence[Sample]], Awaitable[None]]] = []
        """Told of what PutMetricData has stored."""
        self._compacting: asyncio.Task[None] | None = None

    def install(self) -> None:
        # CloudWatch's policies name no resources: "*" is what they are asked about
        for name, handler in (
            ("PutMetricData", self.put), ("GetMetricStatistics", self.statistics), ("GetMetricData", self.data),
            ("ListMetrics", self.list),
        ):
            self.platform.operations.bind("cloudwatch", name, handler)
        self.platform.starters.append(self._start)
        self.platform.closers.append(self._stop)

    async def put(self, call: Call) -> None:
        params = call.params
        if params["Namespace"].startswith("AWS/"):
            raise invalid("The value AWS/ for parameter Namespace is invalid: names that begin with AWS/ are reserved.")
        entities = params.get("EntityMetricData", ())
        data = [*params.get("MetricData", ()), *(d for e in entities for d in e.get("MetricData", ()))]
        if not data:
            raise ServiceError("MissingParameter", "The parameter MetricData is required.")
        now = self.platform.clock()
        samples = [s for i, datum in enumerate(data, 1) for s in _samples(params["Namespace"], datum, f"MetricData.member.{i}", now)]
        await asyncio.to_thread(self.metrics.put, samples)
        for heard in self.arrived:
            await heard(samples)

    async def statistics(self, call: Call) -> dict[str, Any]:
        p = call.params
        plain, extended = p.get("Statistics", []), p.get("ExtendedStatistics", [])
        if not plain and not extended:
            raise ServiceError("MissingParameter", "Must specify either Statistics or ExtendedStatistics")
        for name in extended:
            known(name)
        start, end, period = p["StartTime"], p["EndTime"], p["Period"]
        check_period(period)
        if start >= end:
            raise clash("The parameter StartTime must be less than the parameter EndTime.")
        asked = math.ceil((end - start) / period)
        if asked > MOST_POINTS:
            raise clash(
                f"You have requested up to {asked:,} datapoints, which exceeds the limit of {MOST_POINTS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        series = Series(p["Namespace"], p["MetricName"], dimensions_of(p))
        samples = await asyncio.to_thread(self.metrics.samples, series, start // period * period, end)
        points = []
        for at, some in buckets((s for s in samples if p.get("Unit") in (None, s.unit)), period).items():
            for unit, group in by_unit(some).items():
                point: dict[str, Any] = {"Timestamp": float(at), "Unit": unit}
                point |= {name: statistic(group, name) for name in plain}
                values = {name: statistic(group, name) for name in extended}
                if extended:
                    point["ExtendedStatistics"] = {k: v for k, v in values.items() if v is not None}
                points.append({k: v for k, v in point.items() if v is not None})
        return {"Label": p["MetricName"], "Datapoints": points}

    async def data(self, call: Call) -> dict[str, Any]:
        return await asyncio.to_thread(answer, call.params, self.metrics.samples)

    async def list(self, call: Call) -> dict[str, Any]:
        p = call.params
        offset = read_token(p, "InvalidParameterValue") or 0
        since = self.platform.clock() - ACTIVE if p.get("RecentlyActive") else None
        found = await asyncio.to_thread(
            self.metrics.series, p.get("Namespace"), p.get("MetricName"),
            [(d["Name"], d.get("Value")) for d in p.get("Dimensions", ())], PAGE + 1, offset, since,
        )
        shown = [
            {"Namespace": s.namespace, "MetricName": s.name, "Dimensions": [{"Name": n, "Value": v} for n, v in s.dimensions]}
            for s in found[:PAGE]
        ]
        more = {"NextToken": make_token(p, offset + PAGE)} if len(found) > PAGE else {}
        return {"Metrics": shown, **more}

    # -- upkeep

    def _start(self) -> None:
        self._compacting = asyncio.create_task(self._compact(), name="metrics: sum up old samples")

    async def _compact(self) -> None:
        while True:
            await asyncio.sleep(COMPACT_EVERY)
            try:
                await asyncio.to_thread(self.metrics.compact, self.platform.clock())
            except Exception:
                log.exception("cannot sum up old metrics; trying again in %d s", COMPACT_EVERY)

    async def _stop(self) -> None:
        if self._compacting is not None:
            self._compacting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._compacting


def _samples(namespace: str, datum: dict[str, Any], where: str, now: float) -> Iterator[Sample]:
    """The observations of one MetricDatum. Raises ServiceError."""
    at = datum.get("Timestamp", now)
    if not now - PAST <= at <= now + FUTURE:
        raise invalid(f"The parameter {where}.Timestamp must be within the past two weeks and at most two hours in the future.")
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        raise clash(f"The parameters {where}.Value, Values and StatisticValues are exclusive and one of them is required.")
    dimensions = dimensions_of(datum)
    if len({name for name, _ in dimensions}) != len(dimensions):
        raise invalid(f"The parameter {where}.Dimensions names a dimension twice.")
    unit = datum.get("Unit", "None")
    if "StatisticValues" in datum:
        s = datum["StatisticValues"]
        count, total, low, high = (_number(s[n], where) for n in ("SampleCount", "Sum", "Minimum", "Maximum"))
        if count <= 0 or low > high:
            raise invalid(f"The parameter {where}.StatisticValues needs a positive SampleCount and Minimum <= Maximum.")
        yield Sample(namespace, datum["MetricName"], dimensions, at, total, unit, count, low, high)
        return
    values = datum["Values"] if "Values" in datum else [datum["Value"]]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(values) != len(counts):
        raise invalid(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    if len(values) > MOST_VALUES:
        raise invalid(f"The parameter {where}.Values holds more than {MOST_VALUES} values.")
    for value, count in zip(values, counts, strict=True):
        _number(value, where)
        if _number(count, where) <= 0:
            raise invalid(f"The parameter {where}.Counts must hold positive numbers.")
        yield Sample(namespace, datum["MetricName"], dimensions, at, value * count, unit, count, value, value)


def _number(value: float, where: str) -> float:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise invalid(f"The parameter {where} holds {value}, which is not a number between -2^360 and 2^360.")
    return value

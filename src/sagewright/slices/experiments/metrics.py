"""The ``sagemaker-metrics`` service: points of components, in batches.

On the Timestamp axis, x values, Start and End are milliseconds since 1970; on the IterationNumber axis they are steps.
Start and End are inclusive.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from ...resources.arn import parse
from ...resources.platform import Platform
from ...stores.records import Query, Record
from ...stores.runs import NO_STEP
from ...wire.errors import DomainError
from ...wire.types import Call
from .plot import Axis, Ladder, plot
from .resources import TrackedDesk
from .series import Series

LATEST = 253_402_300_800.0
"""Epoch seconds; the year 10000."""
MOST_POINTS, MOST_IN_ALL = 100_000, 1_000_000
"""x values in one result, and in one answer."""


class MetricOperations:
    """BatchPutMetrics and BatchGetMetrics of one platform."""

    def __init__(self, components: TrackedDesk, series: Series) -> None:
        self.components, self.series = components, series
        self.platform: Platform = components.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker-metrics", "BatchPutMetrics", self.put, resources=self.components.arns)
        bind("sagemaker-metrics", "BatchGetMetrics", self.get, resources=lambda call: _asked(call))

    async def put(self, call: Call) -> dict[str, Any]:
        name = call.params["TrialComponentName"]
        key = f"{call.scope}/{name}"
        if key not in self.series.known:
            await self.components.find(call, name)
            self.series.known.add(key)
        points, places, errors = [], [], []
        for index, datum in enumerate(call.params["MetricData"]):
            value, time = datum["Value"], datum["Timestamp"]
            if isfinite(value) and 0 <= time < LATEST:
                points.append((datum["MetricName"], datum.get("Step", NO_STEP), time, float(value)))
                places.append(index)
            else:
                errors.append({"Code": "VALIDATION_ERROR", "MetricIndex": index})
        if points:
            left_out = await self.platform.runs.put(key, points)
            errors += [{"Code": "METRIC_LIMIT_EXCEEDED", "MetricIndex": places[n]} for n in left_out]
        return {"Errors": errors} if errors else {}

    async def get(self, call: Call) -> dict[str, Any]:
        queries = call.params["MetricQueries"]
        components = {arn: await self._component(call, arn) for arn in dict.fromkeys(q["ResourceArn"] for q in queries)}
        results: list[dict[str, Any]] = []
        wanted: list[tuple[int, Record, dict[str, Any]]] = []
        for query in queries:
            found = components[query["ResourceArn"]]
            fault = found if isinstance(found, str) else Axis.fault(query)
            results.append({"Status": "ValidationError", "Message": fault, "XAxisValues": [], "MetricValues": []})
            if not fault:
                assert isinstance(found, Record)
                wanted.append((len(results) - 1, found, query))
        tracks = await self.series.tracks([(record, query["MetricName"]) for _, record, query in wanted])
        room, ladder = MOST_IN_ALL, Ladder()
        for (place, _, query), track in zip(wanted, tracks, strict=True):
            axis = Axis.of(query)
            xs, ys = plot(track, axis, query["MetricStat"], ladder)
            most = min(MOST_POINTS, room)
            result = {"Status": "Complete", "XAxisValues": xs, "MetricValues": ys}
            if len(xs) > most:
                result = {
                    "Status": "Truncated", "XAxisValues": xs[:most], "MetricValues": ys[:most],
                    "Message": f"{len(xs)} values were found and {most} are shown. Ask again with Start {xs[most]}.",
                }  # fmt: skip
            room -= len(result["XAxisValues"])
            results[place] = result
        return {"MetricQueryResults": results}

    async def _component(self, call: Call, arn: str) -> Record | str:
        """The component that an ARN means, its own or that of its job; or why there is none."""
        try:
            where = parse(arn)
        except DomainError as error:
            return error.message
        if (where.account, where.region) != (call.account, call.region):
            return f"{arn} is not a resource of this account and region."
        if where.type == self.components.resource.slug:
            record = await self.platform.records.get("TrialComponent", call.scope, where.name.lower())
        else:
            if self.components.fresh is not None:
                await self.components.fresh()
            found = await self.platform.records.find("TrialComponent", call.scope, Query(parent=arn.lower(), limit=1))
            record = found[0] if found else None
        return record if record is not None else f"There are no metrics of {arn}: it has no trial component."


def _asked(call: Call) -> list[str]:
    return list(dict.fromkeys(query["ResourceArn"] for query in call.params["MetricQueries"]))

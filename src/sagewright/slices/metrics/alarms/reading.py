"""DescribeAlarms, DescribeAlarmsForMetric, DescribeAlarmHistory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....resources.platform import Platform
from ....stores.records import Query, Record
from ....wire.errors import NotImplementedHere
from ....wire.types import Call
from ..data import dimensions_of, make_token, read_token
from .lifecycle import ACTIONS
from .operations import alarm_arn
from .watch import HISTORY, KIND

PAGE = 50
HISTORY_PAGE = 100
READ = 500
SERIES = ("Namespace", "MetricName")
MATCHED = ("Statistic", "ExtendedStatistic", "Period", "Unit")


class AlarmReading:
    """The verbs of one platform that change nothing."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("cloudwatch", "DescribeAlarms", self.describe)
        bind("cloudwatch", "DescribeAlarmsForMetric", self.for_metric)
        bind("cloudwatch", "DescribeAlarmHistory", self.history, resources=self._named)

    @staticmethod
    def _named(call: Call) -> list[str]:
        return [alarm_arn(call, call.params.get("AlarmName", "*"))]

    async def describe(self, call: Call) -> dict[str, Any]:
        p = call.params
        for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
            if member in p:
                raise NotImplementedHere(f"DescribeAlarms with {member} is not implemented: there are no composite alarms.")
        answer: dict[str, Any] = {"MetricAlarms": [], "CompositeAlarms": []}
        if "MetricAlarm" not in p.get("AlarmTypes", ("MetricAlarm",)):
            return answer
        limit = p.get("MaxRecords", PAGE)
        found = await self._some(call, limit + 1)
        answer["MetricAlarms"] = [self._view(r) for r in found[:limit]]
        if len(found) > limit:
            answer["NextToken"] = make_token(p, [found[limit - 1].key])
        return answer

    async def _some(self, call: Call, count: int) -> list[Record]:
        """The next alarms by name that the request means."""
        p = call.params
        place = read_token(p)
        statuses = (p["StateValue"],) if "StateValue" in p else ()
        if "AlarmNames" in p:
            records = await self.platform.records.several(KIND, call.scope, sorted(set(p["AlarmNames"])))
            return [r for r in records if _meant(r, p) and (not place or r.key > place[0])][:count]
        query = Query(
            name_prefix=p.get("AlarmNamePrefix"), statuses=statuses, sort_by="name", descending=False, limit=READ,
            after=(place[0], place[0]) if place else None,
        )
        found: list[Record] = []
        while len(found) < count:
            page = await self.platform.records.find(KIND, call.scope, query)
            found += [r for r in page if _meant(r, p)]
            if len(page) < READ:
                break
            query = replace(query, after=(page[-1].key, page[-1].key))
        return found[:count]

    async def for_metric(self, call: Call) -> dict[str, Any]:
        p, found = call.params, []
        for record in await self.platform.records.find(KIND, call.scope, Query(sort_by="name", descending=False, limit=1_000_000)):
            doc = record.doc
            same = all(doc.get(m) == p[m] for m in SERIES) and dimensions_of(doc) == dimensions_of(p)
            if same and all(m not in p or doc.get(m) == p[m] for m in MATCHED):
                found.append(self._view(record))
        return {"MetricAlarms": found}

    def _view(self, record: Record) -> dict[str, Any]:
        members = self.platform.shapes("cloudwatch").model("DescribeAlarms").output
        assert members is not None
        element = members.members["MetricAlarms"].shape.element
        assert element is not None
        return {m: record.doc[m] for m in element.shape.members if m in record.doc}

    async def history(self, call: Call) -> dict[str, Any]:
        p = call.params
        where = tuple((m, p[m]) for m in ("AlarmName", "HistoryItemType") if m in p)
        limit = p.get("MaxRecords", HISTORY_PAGE)
        ascending = p.get("ScanBy") == "TimestampAscending"
        place = read_token(p)
        query = Query(where=where, created_after=p.get("StartDate"), created_before=p.get("EndDate"), limit=1_000_000 if ascending else limit + 1)
        if ascending:
            found = list(reversed(await self.platform.records.history(HISTORY, call.scope, query)))
            start = place[0] if place else 0
            items, more = found[start : start + limit], [start + limit] if len(found) > start + limit else None
        else:
            found = await self.platform.records.history(HISTORY, call.scope, replace(query, after=tuple(place) if place else None))
            items = found[:limit]
            more = [items[-1].created, items[-1].key] if len(found) > limit else None
        answer: dict[str, Any] = {"AlarmHistoryItems": [r.doc for r in items]}
        if more:
            answer["NextToken"] = make_token(p, more)
        return answer


def _meant(record: Record, params: Mapping[str, Any]) -> bool:
    doc = record.doc
    if "StateValue" in params and doc["StateValue"] != params["StateValue"]:
        return False
    prefix = params.get("ActionPrefix")
    return prefix is None or any(action.startswith(prefix) for member in ACTIONS.values() for action in doc[member])

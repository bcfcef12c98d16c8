"""GetMetricData: several queries, metrics and expressions over them, paged by data points."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

from ...stores.metrics import Sample, Series
from ...wire.errors import ServiceError
from .expressions import evaluate
from .statistics import buckets, known, statistic

MOST_POINTS = 100_800
Read = Callable[[Series, float, float], list[Sample]]
Query = dict[str, Any]


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)


class Answer:
    """The results of one request's queries, each computed once."""

    def __init__(self, params: dict[str, Any], read: Read) -> None:
        self._read, self._start, self._end = read, params["StartTime"], params["EndTime"]
        self._queries: dict[str, Query] = {q["Id"]: q for q in params["MetricDataQueries"]}
        self._done: dict[str, dict[int, float]] = {}
        self._under_way: list[str] = []
        self._check(params)

    def _check(self, params: dict[str, Any]) -> None:
        if self._start >= self._end:
            raise invalid("The parameter StartTime must be less than the parameter EndTime.")
        if not params["MetricDataQueries"]:
            raise invalid("The parameter MetricDataQueries must hold at least one query.")
        if len(self._queries) != len(params["MetricDataQueries"]):
            raise invalid("The values for parameter Id in MetricDataQueries must be unique.")
        for id_, query in self._queries.items():
            if not (id_[:1].isascii() and id_[:1].islower()):
                raise invalid(f"The value {id_} for parameter Id must begin with a lower-case letter.")
            if ("MetricStat" in query) == ("Expression" in query):
                raise invalid(f"MetricDataQueries {id_}: give exactly one of MetricStat and Expression.")
            if "MetricStat" in query:
                known(query["MetricStat"]["Stat"])
                check_period(query["MetricStat"]["Period"])

    def results(self) -> list[tuple[Query, dict[int, float]]]:
        """Of the queries that return data."""
        return [(q, self._values(id_)) for id_, q in self._queries.items() if q.get("ReturnData", True)]

    def _values(self, id_: str) -> dict[int, float]:
        if id_ in self._done:
            return self._done[id_]
        if id_ in self._under_way:
            raise invalid(f"The expression of {id_} refers to itself.")
        self._under_way.append(id_)
        query = self._queries.get(id_)
        if query is None:
            raise invalid(f"There is no query with the Id {id_}.")
        values = self._metric(query["MetricStat"]) if "MetricStat" in query else self._expression(query["Expression"])
        self._under_way.pop()
        self._done[id_] = values
        return values

    def _expression(self, text: str) -> dict[int, float]:
        metrics = {id_: self._values(id_) for id_, q in self._queries.items() if "MetricStat" in q} if "METRICS" in text else {}
        return evaluate(text, self._values, metrics, self._times() if "FILL" in text else ())

    def _times(self) -> list[int]:
        """The start of every period asked for, by the longest period of the metrics."""
        periods = [q["MetricStat"]["Period"] for q in self._queries.values() if "MetricStat" in q]
        period = max(periods, default=60)
        if (self._end - self._start) / period > MOST_POINTS:
            raise invalid(f"FILL over more than {MOST_POINTS} periods.")
        return list(range(int(self._start // period) * period, math.ceil(self._end), period))

    def _metric(self, stat: dict[str, Any]) -> dict[int, float]:
        metric, period = stat["Metric"], stat["Period"]
        samples = self._read(series_of(metric), self._start // period * period, self._end)
        wanted = [s for s in samples if stat.get("Unit") in (None, s.unit)]
        found = ((at, statistic(some, stat["Stat"])) for at, some in buckets(wanted, period).items())
        return {at: value for at, value in found if value is not None}


def series_of(metric: dict[str, Any]) -> Series:
    if not metric.get("MetricName") or not metric.get("Namespace"):
        raise invalid("A metric needs a Namespace and a MetricName.")
    return Series(metric["Namespace"], metric["MetricName"], dimensions_of(metric))


def dimensions_of(params: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((d["Name"], d["Value"]) for d in params.get("Dimensions", ())))


def check_period(period: int) -> None:
    if period not in (1, 5, 10, 20, 30) and (period < 60 or period % 60):
        raise invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")


def answer(params: dict[str, Any], read: Read) -> dict[str, Any]:
    """One page of GetMetricData's output. The token says which query comes next, and how many of its points are told."""
    first, told = read_token(params) or (0, 0)
    room = min(params.get("MaxDatapoints", MOST_POINTS), MOST_POINTS)
    descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    reply: dict[str, Any] = {"MetricDataResults": [], "Messages": []}
    for index, (query, values) in enumerate(Answer(params, read).results()):
        if index < first:
            continue
        points = sorted(values.items(), reverse=descending)[told if index == first else 0 :]
        page = points[:room]
        if page or not points:
            reply["MetricDataResults"].append(_result(query, page, len(page) == len(points)))
        if len(page) < len(points):
            reply["NextToken"] = make_token(params, (index, len(page) + (told if index == first else 0)))
            break
        room -= len(page)
    return reply


def _result(query: Query, points: list[tuple[int, float]], finished: bool) -> dict[str, Any]:
    label = query.get("Label") or (query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"])
    return {
        "Id": query["Id"], "Label": label, "Timestamps": [float(t) for t, _ in points], "Values": [v for _, v in points],
        "StatusCode": "Complete" if finished else "PartialData",
    }


def make_token(params: dict[str, Any], place: Any) -> str:
    """Where the next page begins, for the same request only."""
    return base64.urlsafe_b64encode(json.dumps([_digest(params), place]).encode()).decode()


def read_token(params: dict[str, Any], code: str = "InvalidNextToken") -> Any:
    """The place that the token names, None without one; raises ServiceError for a token of another request."""
    if (text := params.get("NextToken")) is None:
        return None
    try:
        digest, place = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, TypeError):
        digest = place = None
    if digest != _digest(params):
        raise ServiceError(code, "The token is not one that this request was answered with.")
    return place


def _digest(params: dict[str, Any]) -> str:
    request = {k: v for k, v in params.items() if k not in ("NextToken", "MaxDatapoints")}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]

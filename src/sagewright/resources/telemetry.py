"""What the server says of itself to Prometheus: counters, gauges and histograms, and nothing else.

Text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

Labels = tuple[tuple[str, str], ...]
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""


class Calls:
    """What is counted of the calls of one operation that had one outcome."""

    __slots__ = ("_cells", "_counts", "_labels")

    def __init__(self, cells: list[float], counts: dict[Labels, float], labels: Labels) -> None:
        self._cells, self._counts, self._labels = cells, counts, labels

    def observe(self, seconds: float) -> None:
        """Another one."""
        self._cells[bisect_left(BUCKETS, seconds)] += 1
        self._cells[-1] += seconds
        self._counts[self._labels] = self._counts.get(self._labels, 0.0) + 1


class Telemetry:
    """The registry of one server. Used from its event loop only."""

    def __init__(self) -> None:
        self._help: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, list[float]]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._calls: dict[tuple[str, str, str], Calls] = {}

    def count(self, name: str, about: str, labels: Labels = (), by: float = 1.0) -> None:
        """Add to a counter."""
        self._help.setdefault(name, ("counter", about))
        series = self._counts.setdefault(name, {})
        series[labels] = series.get(labels, 0.0) + by

    def observe(self, name: str, about: str, value: float, labels: Labels = ()) -> None:
        """Add a duration in seconds to a histogram."""
        self._help.setdefault(name, ("histogram", about))
        cells = self._histograms.setdefault(name, {}).setdefault(labels, [0.0] * (len(BUCKETS) + 2))
        cells[bisect_left(BUCKETS, value)] += 1
        cells[-1] += value

    def calls(self, service: str, operation: str, outcome: str) -> Calls:
        """The series of one operation's calls with one outcome; found once, they cost an addition a call."""
        found = self._calls.get((service, operation, outcome))
        if found is None:
            labels = (("service", service), ("operation", operation))
            seconds, total = "sagewright_request_seconds", "sagewright_requests_total"
            self._help.setdefault(seconds, ("histogram", "Time of an API call inside the server."))
            self._help.setdefault(total, ("counter", "API calls by outcome."))
            cells = self._histograms.setdefault(seconds, {}).setdefault(labels, [0.0] * (len(BUCKETS) + 2))
            counts = self._counts.setdefault(total, {})
            found = self._calls[service, operation, outcome] = Calls(cells, counts, (*labels, ("outcome", outcome)))
        return found

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Register a value that is read when somebody asks."""
        self._help[name] = ("gauge", about)
        self._gauges[name] = read

    def render(self) -> str:
        """Everything, in Prometheus' text format."""
        lines: list[str] = []
        for name, (kind, about) in sorted(self._help.items()):
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            if kind == "gauge":
                lines.append(f"{name} {self._gauges[name]():g}")
            for labels, value in self._counts.get(name, {}).items():
                lines.append(f"{name}{_labels(labels)} {value:g}")
            for labels, cells in self._histograms.get(name, {}).items():
                total = 0.0
                for bound, cell in zip((*map(str, BUCKETS), "+Inf"), cells[:-1], strict=True):
                    total += cell
                    lines.append(f"{name}_bucket{_labels((*labels, ('le', bound)))} {total:g}")
                lines += [f"{name}_sum{_labels(labels)} {cells[-1]:g}", f"{name}_count{_labels(labels)} {total:g}"]
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{k}="{_escape(v)}"' for k, v in labels) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

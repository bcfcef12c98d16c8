"""Statistics of samples by period: pure functions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ...stores.metrics import Sample
from ...wire.errors import ServiceError

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def buckets(samples: Iterable[Sample], period: int) -> dict[int, list[Sample]]:
    """Samples by the start of their period; periods begin at multiples of ``period`` since the epoch."""
    found: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[int(sample.timestamp // period) * period].append(sample)
    return dict(found)


def by_unit(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.unit].append(sample)
    return dict(found)


def percentile_of(statistic: str) -> float | None:
    """0.99 of ``p99``; None if it is no percentile."""
    match = _PERCENTILE.fullmatch(statistic)
    return float(match[1]) / 100 if match else None


def known(statistic: str) -> None:
    """Raises ServiceError unless the statistic is one that is computed here."""
    if statistic not in PLAIN and percentile_of(statistic) is None:
        raise ServiceError(
            "ValidationError", f"The statistic {statistic} is not implemented; use one of {', '.join(PLAIN)} or a percentile such as p99."
        )


def statistic(samples: Sequence[Sample], name: str) -> float | None:
    """One number of a period's samples (at least one); None where samples came summed up and a percentile is asked."""
    count = sum(s.count for s in samples)
    if name == "SampleCount":
        return count
    if name == "Sum":
        return sum(s.value for s in samples)
    if name == "Average":
        return sum(s.value for s in samples) / count if count else None
    if name == "Minimum":
        return min(_low(s) for s in samples)
    if name == "Maximum":
        return max(_high(s) for s in samples)
    quantile = percentile_of(name)
    assert quantile is not None
    return percentile(samples, quantile)


def percentile(samples: Sequence[Sample], quantile: float) -> float | None:
    """Linear interpolation between the closest ranks of all observations.

    A sample of several observations counts when they are all equal (Values with Counts); the spread of one that came
    as a summary is unknown, so there is no percentile with it.
    """
    weighted = sorted((_low(s), s.count) for s in samples)
    if any(_low(s) != _high(s) for s in samples):
        return None
    rank = quantile * (sum(w for _, w in weighted) - 1)
    if rank <= 0:
        return weighted[0][0]
    seen = 0.0
    for (value, weight), (following, _) in zip(weighted, [*weighted[1:], weighted[-1]], strict=True):
        last = seen + weight - 1  # rank of this value's last observation
        if rank <= last:
            return value
        if rank < last + 1:
            return value + (following - value) * (rank - last)
        seen += weight
    return weighted[-1][0]


def _low(sample: Sample) -> float:
    return sample.value / sample.count if sample.minimum is None else sample.minimum


def _high(sample: Sample) -> float:
    return sample.value / sample.count if sample.maximum is None else sample.maximum

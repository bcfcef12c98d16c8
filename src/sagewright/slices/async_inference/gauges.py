"""How much waits on an asynchronous endpoint, as CloudWatch has it: what its scaling goes by.

Published while something waits, and once more when nothing does; an endpoint with instances goes on saying zero, rarely, so
that an alarm can find out that they are idle. An idle endpoint without instances says nothing.
"""

from __future__ import annotations

from ...stores.metrics import Dimensions, Sample
from .crew import Crew
from .journal import NAMESPACE

EVERY, IDLE = 5.0, 60.0
"""Seconds between two samples while something waits, and while nothing does."""


def samples(endpoint: str, crew: Crew, backlog: int, oldest: float | None, now: float) -> list[Sample]:
    """What is published of one endpoint.

    Args:
        endpoint: its name.
        crew: who works on the queue.
        backlog: requests that wait or are being worked on.
        oldest: epoch seconds at which the oldest of them came in.
        now: epoch seconds.
    """
    where: Dimensions = (("EndpointName", endpoint),)
    age = max(0.0, now - oldest) if oldest is not None else 0.0
    return [
        Sample(NAMESPACE, "ApproximateBacklogSize", where, now, float(backlog), "Count"),
        Sample(NAMESPACE, "ApproximateBacklogSizePerInstance", where, now, backlog / max(1, crew.capacity), "Count"),
        Sample(NAMESPACE, "ApproximateAgeOfOldestRequest", where, now, age, "Seconds"),
        Sample(NAMESPACE, "HasBacklogWithoutCapacity", where, now, float(backlog > 0 and not crew.capacity), "Count"),
    ]


def pause(crew: Crew, backlog: int) -> float | None:
    """Seconds until the next samples; None if they can wait until there is something to say."""
    if backlog:
        return EVERY
    return IDLE if crew.capacity else None

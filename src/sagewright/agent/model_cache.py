"""What an instance of a multi-model endpoint keeps where: which worker answers, what has to go for something new. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SPREAD = 4
"""Requests of one model under way in a worker from which it is loaded into another one, too."""


@dataclass(slots=True)
class Place:
    """A model in a worker's memory."""

    model: str
    worker: int
    size: int
    """Bytes that the worker grew by when it was loaded."""
    used: float
    """When a request last went there; of one clock."""
    busy: int = 0
    """Requests under way."""
    leaving: bool = False


@dataclass(slots=True)
class Kept:
    """A model's files on disk."""

    model: str
    size: int
    used: float
    loaded: bool = False
    """It is in some worker's memory; its files can go when it has left that."""
    busy: bool = False
    """It is being fetched or loaded, or answers at the moment."""


def nearest(having: Mapping[int, int]) -> int | None:
    """The worker that gets the next request of a model; None if it has to be loaded first.

    Args:
        having: worker that has the model → its requests under way there.
    """
    return min(having, key=lambda index: (having[index], index), default=None)


def crowded(having: Mapping[int, int]) -> bool:
    """Requests of the model queue up wherever it is."""
    return min(having.values(), default=0) >= SPREAD


def next_worker(having: Collection[int], workers: Mapping[int, tuple[int, int]], loading: Collection[int]) -> int | None:
    """The worker to load a model into; None while it is being loaded somewhere, or where nothing would be gained.

    A model that is somewhere already goes to another worker only if that has less to do. Nobody waits for a second copy.

    Args:
        having: workers that have the model.
        workers: every worker → its requests under way, and bytes of the models it has.
        loading: workers that are loading the model.
    """
    if loading:
        return None
    others = {index: load for index, load in workers.items() if index not in having}
    calmest = min(others, key=lambda index: (*others[index], index), default=None)
    if calmest is None or not having:
        return calmest
    least = min((workers[index][0] for index in having if index in workers), default=0)
    return calmest if others[calmest][0] < least else None


def unload(places: Iterable[Place], used: int, wanted: int, limit: int) -> list[Place]:
    """What has to leave memory so that ``wanted`` more bytes fit: least recently used first, never one that answers.

    What is there to go may not be enough; then all of it goes. ``used`` is what the workers take, as measured.
    """
    if used + wanted <= limit:
        return []
    going: list[Place] = []
    idle = sorted((p for p in places if not p.busy and not p.leaving), key=lambda p: p.used)
    for place in idle:
        if used + wanted <= limit:
            break
        going.append(place)
        used -= place.size
    return going


def discard(kept: Iterable[Kept], used: int, wanted: int, limit: int) -> list[Kept]:
    """Whose files have to go so that ``wanted`` more bytes fit on disk: least recently used first, those in memory last."""
    going: list[Kept] = []
    for one in sorted((k for k in kept if not k.busy), key=lambda k: (k.loaded, k.used)):
        if used + wanted <= limit:
            break
        going.append(one)
        used -= one.size
    return going

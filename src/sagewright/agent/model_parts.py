"""What the manager of an instance's models keeps of each model and worker, and the words in which it answers the gateway."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..gateway.answer import Answer
from ..gateway.client import Worker
from .model_cache import Place

TARGET, OUTCOME, WAITED = "x-amzn-sagemaker-target-model", "x-sagewright-outcome", "x-sagewright-waited"
NOT_READY, NO_MODEL, NO_STORE, LOAD_FAILED = "not-ready", "no-model", "no-store", "load-failed"
BROKEN, TIMED_OUT, UNREACHED = "broken", "timed-out", "unreached"


class NotReady(Exception):
    """The model is still being loaded, and its request has waited long enough."""


class LoadFailed(Exception):
    """The container did not load the model; ``answer`` is what it said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body[:200].decode("utf-8", "replace"))
        self.answer = answer


@dataclass(slots=True)
class Model:
    """One model that somebody has asked for."""

    target: str
    key: str
    id: str
    used: float = 0.0
    disk: int | None = None
    """Bytes of its files; None: they are not here."""
    size: int = 0
    """Bytes that it took of a worker's memory when it was loaded last."""
    waiting: int = 0
    """Requests that wait for it or are with it."""
    places: dict[int, Place] = field(default_factory=dict)
    loading: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    leaving: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    """Workers that are unloading it."""
    files: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def needs(self) -> int:
        """Bytes of memory to make room for."""
        return self.size or self.disk or 0


@dataclass(slots=True)
class Member:
    """One worker of the instance."""

    index: int
    client: Worker
    loads: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A worker loads one model at a time, so that what it grows by is that model's."""


@dataclass(slots=True)
class About:
    """What a task says of its models."""

    bucket: str
    prefix: str
    memory: int
    """Bytes that the workers may take."""
    disk: int = 0
    """Bytes that the files may take; 0: nine tenths of the disk."""
    cache: bool = True
    wait: float = 60.0
    """Seconds that a request waits for its model."""


def said(outcome: str, text: str, status: int) -> Answer:
    """What the container has not said itself."""
    return Answer(status, {OUTCOME: outcome, "content-type": "text/plain; charset=utf-8"}, text.encode())

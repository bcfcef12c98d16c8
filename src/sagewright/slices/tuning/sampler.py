"""The sampler of Strategy Bayesian: a task of the image ``sagewright-tuning``, asked over its Unix socket.

It keeps what it was told, so that each question only brings what is new; a sampler that was started anew says how much it
has, and is told all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...gateway.answer import Broken
from ...gateway.client import Worker
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Limits, Task
from ...stores.images import UnknownImage
from .engine.space import Parameter, Point

IMAGE = "sagewright-tuning:1"
MEMORY = 2 * 2**30
SECONDS = 120.0
"""The longest that a suggestion may take."""
HEADERS = {"Content-Type": "application/json"}


class SamplerLost(Exception):
    """No answer came; the sampler is being replaced, or never will be."""


def task(task_id: str) -> Task:
    """The sampler as a task: alone, without a network, on one core."""
    return Task(
        id=task_id, kind="serve", beside=True, image=IMAGE, argv=["serve"], limits=Limits(memory=MEMORY, cpus=1.0, grace=1.0), isolated=True,
        hostname="sampler",
    )


async def sample(platform: Platform, job: Job) -> None:
    """Carry out Sample: start the task that the document names."""
    mine = job.doc.get("_sampler", {})
    if "Task" not in mine or "Reason" in mine:
        return
    try:
        platform.images.resolve(IMAGE)
    except UnknownImage as error:
        await job.send("Failed", Task=mine["Task"], Reason=str(error))
        return
    await platform.tasks.submit(job.record, task(mine["Task"]))


class Suggestions:
    """A conversation with one sampler process.

    Args:
        socket: where it listens.
        seed: of the tuning job.
    """

    def __init__(self, socket: str, seed: int) -> None:
        self._worker, self._seed = Worker(socket), seed
        self._told: dict[int, int] = {}

    async def suggest(
        self, study: int, space: Sequence[Parameter], points: Sequence[Point], values: Sequence[float | None],
        pending: Sequence[Point], count: int,
    ) -> list[Point]:
        """``count`` points of a definition's space to try next.

        Args:
            study: the definition's index.
            points: of the trials that have ended, in a fixed order that only grows.
            values: theirs, lower is better; None where there is none.
            pending: points of trials under way.

        Raises:
            SamplerLost: see there.
            TimeoutError: no answer within ``SECONDS``.
            RuntimeError: it could not answer.
        """
        have = self._told.get(study, 0)
        while True:
            said = await self._ask({
                "study": study, "space": [p.dimension() for p in space], "seed": self._seed, "have": have,
                "points": points[have:], "values": values[have:], "pending": pending, "count": count,
            })
            if "points" in said:
                self._told[study] = said["have"]
                found: list[Point] = said["points"]
                return found
            # it does not have what we told an earlier process; all from the beginning
            have = 0

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._worker.request("POST", "/invocations", HEADERS, json.dumps(question).encode(), seconds=SECONDS)
        except Broken as error:
            raise SamplerLost(str(error)) from None
        if answer.status != 200:
            raise RuntimeError(answer.body.decode(errors="replace")[:500])
        said: dict[str, Any] = json.loads(answer.body)
        return said

    def close(self) -> None:
        self._worker.close()

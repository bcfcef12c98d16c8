"""Plays the lifecycle of a training job, without a process."""

from __future__ import annotations

from typing import Any

from ..runtime.lifecycle import Event
from ..slices.training.lifecycle import LIFECYCLE


class Story:
    """Plays events on one job; a second passes between them."""

    def __init__(self, hosts: int = 1, **doc: Any) -> None:
        self.now = 1000.0
        self.doc = LIFECYCLE.begin({"TrainingJobName": "j", "CreationTime": self.now, "_artifacts": {"S3ModelArtifacts": "s3://b/m"}, **doc}, self.now)
        self.instructions: list[str] = []
        self.hosts = [f"algo-{n + 1}" for n in range(hosts)]

    def tell(self, name: str, **data: Any) -> Story:
        self.now += 1
        stepped = LIFECYCLE.step("j", self.doc, Event(name, data), self.now)
        if stepped:
            self.doc, move = stepped
            self.instructions += [i.name for i in move.instructions]
        return self

    def run(self) -> Story:
        self.tell("Submitting", Tasks={h: h for h in self.hosts})
        for host in self.hosts:
            self.tell("Staging", Task=host)
        for host in self.hosts:
            self.tell("Started", Task=host)
        return self

    @property
    def statuses(self) -> list[str]:
        return [t["Status"] for t in self.doc["SecondaryStatusTransitions"]]


def ended(code: int = 0, **more: Any) -> dict[str, Any]:
    """The data of an Exited report."""
    return {"ExitCode": code, "Failure": "", "TimedOut": False, "Stopped": False, "OutOfMemory": False, **more}

"""Every story of a job ends: hosts, executors, callers and kills in any order that there can be."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Instruction
from sagewright.slices.training.attempts import attempt
from sagewright.slices.training.lifecycle import LIFECYCLE
from sagewright.slices.training.states import (
    BETWEEN,
    CLEAN,
    EVICT,
    FINAL,
    FORGET,
    HALT,
    LAUNCH,
    MERGE,
    STARTING,
    STOPPING,
)
from sagewright.testing.training import ended

Steps = Iterator[None]
TOLD = {"Waiting": "Staging", "Staging": "Started", "Started": "Exited", "Exited": "Finished"}


class HostTask:
    """A host's task, by the reports that it still has to make: those of an agent that nobody kills."""

    def __init__(self, name: str) -> None:
        self.name, self.phase, self.stopped = name, "Waiting", False

    @property
    def over(self) -> bool:
        return self.phase in ("Finished", "Failed")


class World:
    """One job, what it has asked for, and everything that may happen to it next."""

    def __init__(self, random: Random, hosts: int) -> None:
        self.random, self.hosts, self.now = random, [f"algo-{n + 1}" for n in range(hosts)], 1000.0
        self.tasks: dict[str, HostTask] = {}
        self.running: list[tuple[Instruction, Steps]] = []
        self.story: list[str] = []
        self.doc: dict[str, Any] = LIFECYCLE.begin({
            "TrainingJobName": "j", "CreationTime": self.now, "_artifacts": {"S3ModelArtifacts": "s3://b/m"},
            "EnableManagedSpotTraining": True, "StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200},
            "RetryStrategy": {"MaximumRetryAttempts": random.randrange(3)},
        }, self.now)
        self.begin(Instruction(LAUNCH))
        self.calls = ["Stop", "Interrupt", "Interrupt", "WaitOver", "kill the server", "kill the server"]

    def send(self, name: str, **data: Any) -> None:
        self.now += 1
        self.story.append(f"{name} {data.get('Task', '')}")
        try:
            stepped = LIFECYCLE.step("j", self.doc, Event(name, data), self.now)
        except ImpossibleTransition:
            return  # as a late event
        if stepped:
            self.doc, move = stepped
            for instruction in move.instructions:
                self.begin(instruction)

    # -- what carries out instructions, step by step: anything may happen between two of them

    def begin(self, instruction: Instruction) -> None:
        if instruction.name in (LAUNCH, HALT, EVICT, FORGET, MERGE, CLEAN):
            self.running.append((instruction, getattr(self, instruction.name.lower())(instruction)))

    def launch(self, instruction: Instruction) -> Steps:
        doc = self.doc
        waiting = any(task["Phase"] == "Waiting" for task in doc.get("_tasks", {}).values())
        if doc["_state"] in FINAL:
            yield from self.clean(instruction)
            return
        tasks = [f"{host}/{attempt(doc)}" for host in self.hosts]
        if doc["_state"] == STARTING or waiting:
            yield
            self.send("Submitting", Tasks=dict(zip(self.hosts, tasks, strict=True)), Attempt=attempt(doc))
            for task in tasks:
                yield
                if self.over(tasks):
                    break
                if self.doc["_tasks"][task]["Phase"] == "Waiting":
                    self.tasks.setdefault(task, HostTask(task))
        else:
            tasks = list(doc.get("_tasks", ()))
        yield
        over, state = self.over(tasks), self.doc["_state"]
        for task in tasks:
            yield
            if over:
                self.tasks.pop(task, None)
            elif state == STOPPING or state in BETWEEN or self.doc.get("_failure"):
                self.stop(task)

    def over(self, tasks: list[str]) -> bool:
        return self.doc["_state"] in FINAL or set(self.doc.get("_tasks", ())) != set(tasks)

    def halt(self, instruction: Instruction) -> Steps:
        tasks = self.doc.get("_tasks", {})
        yield
        if all(task["Phase"] == "Ended" for task in tasks.values()):
            self.send("Withdrawn")
        for name, about in tasks.items():
            yield
            if about["Phase"] not in ("Exited", "Ended"):
                self.stop(name)

    def evict(self, instruction: Instruction) -> Steps:
        for task in instruction.args["Tasks"]:
            yield
            self.stop(task)

    def forget(self, instruction: Instruction) -> Steps:
        for task in instruction.args["Tasks"]:
            yield
            self.tasks.pop(task, None)
        yield
        self.send("Cleared", Attempt=instruction.args["Attempt"])

    def merge(self, instruction: Instruction) -> Steps:
        yield
        self.send("Joined")
        yield
        self.send("Merged")

    def clean(self, instruction: Instruction) -> Steps:
        for task in list(self.doc.get("_tasks", ())):
            yield
            self.tasks.pop(task, None)

    def stop(self, task: str) -> None:
        if task in self.tasks:  # the port forgets a stop of a task that it does not know
            self.tasks[task].stopped = True

    # -- what may happen next

    def report(self, task: HostTask) -> None:
        """The task's next report; some agents are killed, some inputs are missing, some programs fail."""
        chance = self.random.random()
        if chance < 0.07:
            task.phase = "Failed"
            self.send("Failed", Task=task.name, Reason=self.random.choice(["InternalServerError: x", "ClientError: x"]))
        elif task.phase in ("Waiting", "Staging") and task.stopped:
            task.phase = "Exited"
            self.send("Exited", Task=task.name, **ended(143, Stopped=True, Unstarted=True))
        elif task.phase == "Started":
            task.phase = "Exited"
            how = {"Stopped": True} if task.stopped else {"TimedOut": True} if chance < 0.2 else {}
            self.send("Exited", Task=task.name, **ended(143 if how else int(chance < 0.4), **how))
        else:
            task.phase = TOLD[task.phase]
            self.send(task.phase, Task=task.name)

    def able(self) -> list[HostTask]:
        """Tasks that have something to say: a host that has its inputs waits for all others, or for a stop."""
        now = str(attempt(self.doc))
        gathered = sum(task.name.endswith(f"/{now}") and task.phase not in ("Waiting", "Failed") for task in self.tasks.values())
        return [
            task for task in self.tasks.values()
            if not task.over and (task.phase != "Staging" or task.stopped or gathered == len(self.hosts))
        ]

    def go_on(self) -> bool:
        """One thing happens; False if nothing can any more."""
        choices: list[Any] = [*self.able(), *range(len(self.running))]
        if not choices:
            return False
        if self.calls and self.random.random() < 0.05:
            call = self.calls.pop(self.random.randrange(len(self.calls)))
            if call == "kill the server":  # what it was carrying out is carried out again from its beginning
                self.story.append(call)
                again, self.running = [instruction for instruction, _ in self.running], []
                for instruction in again:
                    self.begin(instruction)
            else:
                self.send(call)
            return True
        chosen = self.random.choice(choices)
        if isinstance(chosen, HostTask):
            self.report(chosen)
        elif next(self.running[chosen][1], self) is self:
            del self.running[chosen]
        return True


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_every_story_ends(hosts: int) -> None:
    for seed in range(3000):
        world = World(Random(seed), hosts)
        while world.go_on():
            assert len(world.story) < 2000, (seed, world.story[-40:])
        assert world.doc["_state"] in FINAL, (seed, world.doc["_state"], world.story)
        assert not world.tasks, (seed, world.story)
        assert "EndTime" in world.doc["SecondaryStatusTransitions"][-1]

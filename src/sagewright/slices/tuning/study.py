"""A tuning job as it decides: rebuilt from its trials at every start, then kept up to date. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import trials
from .definitions import definitions, sign, space
from .engine import completion, draws
from .engine.hyperband import Hyperband
from .engine.median import MedianRule
from .engine.space import Point
from .lifecycle import COMPLETED, FAILED
from .request import OBJECTIVES, STATUSES

MONTH = 30 * 86_400.0
"""Seconds; the longest that a tuning job runs."""


@dataclass(slots=True)
class Live:
    """A trial under way."""

    doc: dict[str, Any]
    curve: list[float] = field(default_factory=list)
    """The objective's emissions, lower is better."""
    until: float = 0.0
    """Emissions up to this timestamp are in ``curve``."""
    stopping: bool = False

    @property
    def name(self) -> str:
        return str(self.doc["TrainingJobName"])

    @property
    def study(self) -> int:
        return int(self.doc["_study"])


@dataclass(slots=True)
class History:
    """The ended trials of one definition."""

    points: list[Point] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    """Lower is better; None where the objective is not known."""
    launched: int = 0

    @property
    def best(self) -> float:
        return min((v for v in self.values if v is not None), default=math.inf)


class Study:
    """What one tuning job knows, and what follows from it."""

    def __init__(self, doc: Mapping[str, Any]) -> None:
        config = doc["HyperParameterTuningJobConfig"]
        self.strategy: str = config["Strategy"]
        self.criteria: dict[str, Any] = config.get("TuningJobCompletionCriteria", {})
        limits = config["ResourceLimits"]
        self.most: int = limits["MaxNumberOfTrainingJobs"]
        self.parallel: int = limits["MaxParallelTrainingJobs"]
        self.deadline: float = doc["CreationTime"] + limits.get("MaxRuntimeInSeconds", MONTH)
        self.seed: int = doc["_seed"]
        self.definitions = definitions(doc)
        self.spaces = [space(d) for d in self.definitions]
        self.signs = [sign(d) for d in self.definitions]
        self.histories = [History() for _ in self.definitions]
        self.live: dict[str, Live] = {}
        self.launched = 0
        self.statuses, self.objectives = dict.fromkeys(STATUSES, 0), dict.fromkeys(OBJECTIVES, 0)
        self.progress = completion.Progress(completion.window(max(map(len, self.spaces)), self.parallel))
        self.best: dict[str, Any] | None = None
        self.converged: float | None = None
        self._verdict: tuple[str, str] | None = None
        self.exhausted = 0
        """The first instance configuration that is not known to lack capacity."""
        self.median = [MedianRule() for _ in self.definitions] if config["TrainingJobEarlyStoppingType"] == "Auto" else None
        self.hyperband: list[Hyperband] | None = None
        if self.strategy == "Hyperband":
            given = config["StrategyConfig"]["HyperbandStrategyConfig"]
            self.hyperband = [Hyperband(given["MinResource"], given["MaxResource"]) for _ in self.definitions]

    @property
    def watches(self) -> bool:
        """Whether single emissions matter."""
        return self.median is not None or self.hyperband is not None

    def restore(self, docs: Iterable[dict[str, Any]], curves: Mapping[str, list[float]]) -> None:
        """Take in the stored trials, those that have ended in the order in which they did."""
        docs = sorted(docs, key=lambda d: d["_number"])
        for doc in docs:
            self._launch(doc)
        done = [d for d in docs if d["TrainingJobStatus"] in trials.FINAL]
        for doc in sorted(done, key=lambda d: (d["TrainingEndTime"], d["_number"])):
            live = self.live[doc["TrainingJobName"]]
            for value in curves.get(live.name, ()):
                self.emitted(live, value)
            self.ended(doc, doc["TrainingEndTime"])

    # -- launching

    def room(self) -> int:
        """How many trials may be started now."""
        return min(self.parallel - len(self.live), self.most - self.launched)

    def turn(self) -> int:
        """The definition of the next trial: each gets its first look, then the better ones get more."""
        if len(self.definitions) == 1:
            return 0
        counts = [h.launched for h in self.histories]
        indices = range(len(counts))
        if self.strategy == "Grid":
            return next(i for i in indices if counts[i] < draws.grid_size(self.spaces[i]))
        young = [i for i in indices if counts[i] < draws.initial(len(self.spaces[i]))]
        if young:
            return min(young, key=lambda i: counts[i])
        ranked = sorted(indices, key=lambda i: self.histories[i].best)
        weights = {index: 1.0 / (rank + 1) for rank, index in enumerate(ranked)}
        share = (sum(counts) + 1) / sum(weights.values())
        return max(indices, key=lambda i: weights[i] * share - counts[i])

    def planned(self, doc: dict[str, Any]) -> dict[str, Any]:
        """A new trial; the changes of the tuning job's document."""
        self._launch(doc)
        return self.changes()

    def forget(self, name: str) -> dict[str, Any]:
        """A trial that has never come to be."""
        live = self.live.pop(name)
        self.launched -= 1
        self.histories[live.study].launched -= 1
        self.statuses["InProgress"] -= 1
        self.objectives["Pending"] -= 1
        return self.changes()

    def _launch(self, doc: dict[str, Any]) -> None:
        self.live[doc["TrainingJobName"]] = Live(doc)
        self.launched = max(self.launched, doc["_number"])
        self.histories[doc["_study"]].launched += 1
        self.statuses["InProgress"] += 1
        self.objectives["Pending"] += 1

    # -- what comes of them

    def emitted(self, live: Live, value: float) -> bool:
        """One more emission of a trial's objective, lower is better; whether the trial should stop."""
        value = value if math.isfinite(value) else math.inf
        live.curve.append(value)
        if self.hyperband is not None:
            return self.hyperband[live.study].stops(live.doc["_number"], len(live.curve), value)
        return self.median is not None and self.median[live.study].stops(len(live.curve), value)

    def ended(self, doc: dict[str, Any], now: float) -> dict[str, Any]:
        """A trial has ended as its document says; the changes of the tuning job's document."""
        live = self.live.pop(doc["TrainingJobName"])
        self.statuses["InProgress"] -= 1
        self.objectives["Pending"] -= 1
        status = doc["TrainingJobStatus"]
        if status == "Failed":
            self.statuses["RetryableError" if trials.retryable(doc) else "NonRetryableError"] += 1
            if str(doc.get("FailureReason", "")).startswith("CapacityError"):
                self.exhausted = max(self.exhausted, doc["_instance"] + 1)
        else:
            self.statuses[status] += 1
        self.objectives[doc["ObjectiveStatus"]] += 1
        said = trials.value_of(doc)
        value = None if said is None else self.signs[live.study] * said
        history = self.histories[live.study]
        history.points.append(doc["_point"])
        history.values.append(value)
        if value is not None and (self.progress.best is None or value < self.progress.best):
            self.best = trials.summary(doc)
        self.progress.add(value, failure=doc.get("FailureReason", "") if status == "Failed" else None)
        if self.converged is None and self.progress.converged:
            self.converged = now
        if self.median is not None and status == "Completed" and live.curve:
            self.median[live.study].completed(live.curve)
        return self.changes()

    def changes(self) -> dict[str, Any]:
        """What the tuning job's document shows of all this."""
        details: dict[str, Any] = {"NumberOfTrainingJobsObjectiveNotImproving": self.progress.stale if self.progress.succeeded else 0}
        if self.converged is not None:
            details["ConvergenceDetectedTime"] = self.converged
        return {
            "TrainingJobStatusCounters": dict(self.statuses), "ObjectiveStatusCounters": dict(self.objectives),
            "TuningJobCompletionDetails": details, **({"BestTrainingJob": self.best} if self.best else {}),
        }

    def verdict(self, now: float) -> tuple[str, str] | None:
        """(state, reason) when no further trial shall be started; None while there is more to do.

        Whatever still runs is to be stopped, except that the last trials of a whole budget run to their end. What has been
        decided stays, whatever the trials come to that are stopped for it.
        """
        if self._verdict is None:
            self._verdict = self._judge(now)
        return self._verdict

    def _judge(self, now: float) -> tuple[str, str] | None:
        last = self.launched >= self.most and not self.live
        over = now >= self.deadline
        if reason := self.progress.hopeless(last or (over and not self.live)):
            return FAILED, reason
        if last or over or completion.met(self.criteria, self.progress, self.signs[0]):
            return COMPLETED, ""
        return None

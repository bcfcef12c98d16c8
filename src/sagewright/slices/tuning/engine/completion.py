"""When a tuning job has had enough: pure counting over the trials that have ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GAIN = 0.01
"""A relative gain below this is none."""
ATTEMPTS = 5
"""When so many trials have ended and none was any good, the tuning job fails."""


@dataclass(slots=True)
class Progress:
    """Objectives of ended trials as they come, lower is better."""

    window: int
    """Trials without a gain that mean convergence."""
    best: float | None = None
    mark: float | None = None
    """The best value when it last gained a whole percent."""
    stale: int = 0
    """Ended trials since then."""
    ended: int = 0
    succeeded: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why the first trials failed."""

    def add(self, value: float | None, *, failure: str | None = None) -> None:
        """One more trial has ended; ``value`` None where its objective is not known."""
        self.ended += 1
        if failure is not None:
            self.failed += 1
            self.reasons = [*self.reasons, failure][:ATTEMPTS]
        if value is not None:
            self.succeeded += 1
            self.best = value if self.best is None else min(self.best, value)
        if value is not None and (self.mark is None or value < self.mark - GAIN * abs(self.mark)):
            self.mark, self.stale = value, 0
        else:
            self.stale += 1

    @property
    def converged(self) -> bool:
        """No gain for long: as many trials as the space needs to be looked at again."""
        return self.succeeded > 0 and self.stale >= self.window

    def hopeless(self, last: bool = False) -> str:
        """Why the tuning job fails; empty while there is hope. ``last``: no trial will follow."""
        if self.succeeded or self.ended < (1 if last else ATTEMPTS):
            return ""
        if self.failed:
            return (
                f"No training job succeeded after {self.ended} attempts. For additional details, please take a look at the "
                f"training job failures by listing training jobs for the hyperparameter tuning job. The first one failed with: {self.reasons[0]}"
            )
        return (
            f"No objective metrics found after running {self.ended} training jobs. Please ensure that the custom algorithm is "
            "emitting the objective metric as defined by the regular expression provided."
        )


def met(criteria: dict[str, Any], progress: Progress, sign: float) -> bool:
    """Whether ``TuningJobCompletionCriteria`` are met; ``sign`` is -1 where the objective is maximised."""
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None and progress.best is not None and progress.best <= sign * target:
        return True
    limit = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if limit is not None and progress.succeeded and progress.stale >= limit:
        return True
    return criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled" and progress.converged


def window(parameters: int, parallel: int) -> int:
    """Trials without a gain that mean convergence in a space of so many parameters, so many trials at once."""
    return max(10, 3 * parameters, 2 * parallel)

"""Early stopping by the median rule.

After each emission of its objective a trial is compared with the trials that have completed: it is stopped when its value
is worse than the median of their running averages up to the same emission. (Golovin et al., Google Vizier, 2017; Amazon
SageMaker's guide, Stop Training Jobs Early.)
"""

from __future__ import annotations

from bisect import insort
from itertools import accumulate

REFERENCES = 4
"""Completed trials that must have come as far before anybody is stopped."""


class MedianRule:
    """Values are such that lower is better."""

    def __init__(self) -> None:
        self._averages: list[list[float]] = []
        """For each emission the running averages of the completed trials there, sorted."""

    def completed(self, curve: list[float]) -> None:
        """A trial has run to its end; ``curve`` are its emissions in order."""
        for epoch, total in enumerate(accumulate(curve), 1):
            if epoch > len(self._averages):
                self._averages.append([])
            insort(self._averages[epoch - 1], total / epoch)

    def stops(self, epoch: int, value: float) -> bool:
        """Whether a trial whose emission number ``epoch`` (from 1) is ``value`` should stop."""
        if epoch > len(self._averages):
            return False
        averages = self._averages[epoch - 1]
        if len(averages) < REFERENCES:
            return False
        middle = len(averages) // 2
        median = averages[middle] if len(averages) % 2 else (averages[middle - 1] + averages[middle]) / 2
        return value > median

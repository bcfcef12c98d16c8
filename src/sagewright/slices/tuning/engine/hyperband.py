"""Hyperband, asynchronously: a trial that reaches a rung goes on only if it is among the best of those that have reached it.

Li et al., Hyperband, 2018, for the brackets; Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020, for
deciding at once instead of waiting for a rung to fill. The resource is the number of emissions of the objective.
"""

from __future__ import annotations

from bisect import bisect_right, insort

REDUCTION = 3
"""One in so many goes on at each rung."""


class Hyperband:
    """Values are such that lower is better.

    Args:
        least: resource before which no trial is stopped.
        most: resource beyond which none goes.
    """

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        levels = []
        level = least
        while level < most:
            levels.append(level)
            level *= REDUCTION
        self.levels = levels
        self.brackets = max(1, min(len(levels), 1 + len(levels) // 3))
        """How many first rungs there are: the later brackets guard against objectives that tell little early on."""
        self._rungs: dict[tuple[int, int], list[float]] = {}
        """(bracket, level) → the values seen there, sorted."""

    def bracket(self, number: int) -> int:
        """The bracket of trial ``number`` (from 1): each holds a third of the trials of the one before it."""
        cycle = [b for b in range(self.brackets) for _ in range(REDUCTION ** (self.brackets - 1 - b))]
        return cycle[(number - 1) % len(cycle)]

    def stops(self, number: int, epoch: int, value: float) -> bool:
        """Take in emission ``epoch`` (from 1) of a trial; whether the trial should stop. Call once for each."""
        if epoch > self.most:
            return True
        bracket = self.bracket(number)
        if epoch not in self.levels[bracket:]:
            return False
        rung = self._rungs.setdefault((bracket, epoch), [])
        insort(rung, value)
        # the first of a rung goes on: there is nothing yet to be worse than
        allowed = max(1, len(rung) // REDUCTION)
        return bisect_right(rung, value) > allowed if value == value else True

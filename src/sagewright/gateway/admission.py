"""How many requests may wait for one model process: as many as it answers in time, and far fewer while it is asked for much more
than it can do.

A queue as long as patience allows is right for a burst, which it takes in whole, and for callers who each wait for their
answer. Under an overload that lasts it only makes everybody wait: whoever is accepted waits behind all the others, and no more
is answered for it. So once the queue has been full, few may wait, enough to keep the model at work; this ends when all who were
refused of late could have waited. The rest are told so at once. Pure: time is an argument.
"""

from __future__ import annotations

FEWEST, MOST = 32, 1000
"""Requests that may wait for a model however slow, and however fast, it is."""
FEW, SOME = 16, 250
"""The same while there are too many."""
KEPT = 0.05
"""Seconds of work that a model has before it then."""
LATELY = 1.0
"""Seconds over which it is judged whether there are still too many: who was refused asks again within about that time."""


class Admission:
    """Decides for one model process."""

    def __init__(self) -> None:
        self.pace = 0.0
        """Seconds that a request takes of a busy model, on average of late; those it answers together share them."""
        self.strained = False
        """Whether there are too many."""
        self._refused = 0
        self._since = 0.0

    @property
    def few(self) -> int:
        """How many may wait while there are too many."""
        return max(FEW, min(SOME, int(KEPT / self.pace))) if self.pace else SOME

    def room(self, waiting: int, seconds: float, now: float) -> bool:
        """Whether one more request may wait; who gets False has been counted as refused.

        Args:
            waiting: requests that wait, or that the model works on.
            seconds: that a request may be expected to wait.
        """
        if self.strained:
            self._judge(seconds, now)
        if self.strained:
            fits = waiting < self.few
        else:
            fits = waiting < FEWEST or (waiting < MOST and waiting * self.pace <= seconds)
            if not fits:
                self.strained, self._since, self._refused = True, now, 0
        self._refused += not fits
        return fits

    def took(self, seconds: float) -> None:
        """A request has taken so long."""
        self.pace += (seconds - self.pace) / 8 if self.pace else seconds

    def _judge(self, seconds: float, now: float) -> None:
        passed = now - self._since
        if passed < LATELY:
            return
        everybody = self.few + self._refused * LATELY / passed
        self.strained = everybody >= MOST or everybody * self.pace > seconds
        self._since, self._refused = now, 0

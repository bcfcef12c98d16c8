"""How many may wait for a model: in a burst, under an overload, and when it is over."""

from __future__ import annotations

from sagewright.gateway.admission import FEW, FEWEST, LATELY, MOST, SOME, Admission

PATIENCE = 2.0


class Model:
    """One model that answers one request at a time, asked in steps of a millisecond of pretended time."""

    def __init__(self, pace: float) -> None:
        self.admission, self.pace = Admission(), pace
        self.now, self.free = 0.0, 0.0
        self.waiting: list[float] = []
        """Since when."""
        self.waits: list[float] = []
        self.admission.took(pace)

    def asked(self, rate: float, seconds: float) -> tuple[int, int]:
        """How many of the requests that came at that rate could wait, and how many could not."""
        fit = refused = 0
        due = 0.0
        for _ in range(int(seconds * 1000)):
            self.now += 0.001
            while self.waiting and self.free <= self.now:
                self.waits.append(self.free - self.waiting.pop(0))
                self.admission.took(self.pace)
                self.free = max(self.free, self.waiting[0] if self.waiting else self.free) + self.pace
            due += rate * 0.001
            while due >= 1:
                due -= 1
                if self.admission.room(len(self.waiting), PATIENCE, self.now):
                    fit += 1
                    if not self.waiting:
                        self.free = max(self.free, self.now) + self.pace
                    self.waiting.append(self.now)
                else:
                    refused += 1
        return fit, refused


def test_a_burst_is_taken_in_whole() -> None:
    model = Model(0.005)
    assert model.asked(rate=100_000, seconds=0.003) == (300, 0)
    assert not model.admission.strained


def test_under_an_overload_few_wait() -> None:
    model = Model(0.005)
    model.asked(rate=2000, seconds=5)
    model.waits.clear()
    fit, refused = model.asked(rate=2000, seconds=10)
    assert 0.9 * 2000 < fit < 1.1 * 2000, "the model is kept at work"
    assert refused == 20_000 - fit
    assert max(model.waits) <= FEW * 0.005 + 0.01


def test_it_is_over_when_it_is_over() -> None:
    model = Model(0.005)
    model.asked(rate=2000, seconds=5)
    assert model.admission.strained
    model.asked(rate=100, seconds=2 * LATELY)
    assert not model.admission.strained
    assert model.asked(rate=190, seconds=2)[1] == 0


def test_callers_who_could_all_wait_are_not_refused_for_ever() -> None:
    """Sixty-four who come again half a second after they were refused: after an overload they are all let in."""
    model = Model(0.005)
    model.asked(rate=2000, seconds=5)
    back = [model.now + n / 128 for n in range(64)]
    for _ in range(10_000):
        model.now += 0.001
        if model.waiting and model.free <= model.now:
            model.waiting.pop(0)
            back.append(model.now)  # answered, it asks again
            model.free += model.pace
        for at in [at for at in back if at <= model.now]:
            back.remove(at)
            if model.admission.room(len(model.waiting), PATIENCE, model.now):
                model.waiting.append(model.now)
            else:
                back.append(model.now + 0.5)
    assert not model.admission.strained
    assert len(model.waiting) >= 60


def test_how_many_at_a_time() -> None:
    """A few may always wait; nobody without end; under an overload as many as keep the model at work for a moment."""
    admission = Admission()
    assert admission.room(MOST - 1, PATIENCE, 0.0), "nothing is known yet"
    admission.took(100.0)
    assert admission.room(FEWEST - 1, PATIENCE, 0.0)
    assert not admission.room(FEWEST, PATIENCE, 0.0)
    assert (admission.few, admission.room(FEW - 1, PATIENCE, 0.0), admission.room(FEW, PATIENCE, 0.0)) == (FEW, True, False)
    fast = Admission()
    fast.took(1e-6)
    assert not fast.room(MOST, PATIENCE, 0.0)
    assert fast.few == SOME

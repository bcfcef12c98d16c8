"""The sampler of the image ``tuning``, called as its service calls it: no server, no process of its own."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module", autouse=True)
def image() -> Iterator[None]:
    """The image's folder on the path, as its serve.py puts it there."""
    folder = str(Path(__file__).resolve().parents[3] / "images" / "tuning")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)
    for name in [m for m in sys.modules if m.split(".")[0] == "tuning_image"]:
        del sys.modules[name]


def sampler(dimensions: list[dict[str, Any]], seed: int = 1) -> Any:
    from tuning_image.sampler import Sampler

    return Sampler(dimensions, seed)


def process(columns: int) -> Any:
    from tuning_image.gp import GaussianProcess

    return GaussianProcess(np.arange(columns))


def test_the_gradient_of_the_posterior_is_its_slope() -> None:
    rng = np.random.default_rng(0)
    made, values = process(3), rng.normal(size=12)
    made.x = rng.random((12, 3))
    squares, theta = made._squares(), made.theta + 0.3
    _, gradient = made._loss(theta, squares, values)
    for index, step in enumerate(1e-5 * np.eye(5)):
        slope = (made._loss(theta + step, squares, values)[0] - made._loss(theta - step, squares, values)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-5)


def test_a_process_follows_its_data_and_knows_where_it_does_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((30, 2))
    made = process(2)
    made.fit(x, np.sin(4 * x[:, 0]))
    mean, deviation = made.predict(x)
    assert np.abs(mean - np.sin(4 * x[:, 0])).max() < 0.05
    assert made.predict(np.array([[5.0, 5.0]]))[1][0] > 10 * deviation.max()
    assert made.theta[1] > made.theta[0] + 1  # the second axis does not matter: its length scale is long


def test_believing_is_conditioning_on_the_mean() -> None:
    rng = np.random.default_rng(1)
    x, values, more, where = rng.random((12, 3)), rng.normal(size=12), rng.random((2, 3)), rng.random((20, 3))
    one, other = process(3), process(3)
    one.fit(x, values)
    mean = one.predict(more)[0]
    one.believe(more)
    other.theta = one.theta
    other.fit(np.vstack([x, more]), np.concatenate([values, mean]), tune=False)
    for mine, theirs in zip(one.predict(where), other.predict(where), strict=True):
        assert np.allclose(mine, theirs, atol=1e-10)


def test_descending_finds_a_minimum_inside_of_a_box_and_on_its_side() -> None:
    from tuning_image.gp import descend

    def rosenbrock(x: Any) -> tuple[float, Any]:
        a, b = x
        slope = np.array([-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)])
        return float(100 * (b - a * a) ** 2 + (1 - a) ** 2), slope

    wide = np.full(2, 3.0)
    assert descend(rosenbrock, np.array([-0.5, 0.5]), -wide, wide)[0] < 0.05
    value, where = descend(lambda x: (float(((x - 2) ** 2).sum()), 2 * (x - 2)), np.zeros(2), -wide, np.array([1.0, 3.0]))
    assert where == pytest.approx([1.0, 2.0], abs=1e-3)
    assert value == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("z", [3.0, 0.5, 0.0, -1.0, -3.9, -4.1, -8.0, -20.0])
def test_log_improvement_is_that_of_the_normal_distribution(z: float) -> None:
    from tuning_image.sampler import log_improvement

    # the integral that the improvement is, in steps, of which the largest term is taken out
    t = np.linspace(0, 12, 400_001)
    exact = -0.5 * z * z - 0.5 * math.log(2 * math.pi) + math.log((t * np.exp(t * z - 0.5 * t * t)).sum() * t[1])
    assert float(log_improvement(np.array([z]))[0]) == pytest.approx(exact, abs=0.01)


def test_objectives_are_straightened_in_their_order() -> None:
    from tuning_image.sampler import normalise

    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(size=41))
    z = normalise(y)
    assert abs(z.mean()) < 1e-9
    assert z.std() == pytest.approx(1)
    assert (np.diff(z[np.argsort(y)]) > 0).all()
    assert abs(np.mean(z**3)) < 0.5 * np.mean(((y - y.mean()) / y.std()) ** 3)  # much less skewed
    assert not normalise(np.full(5, 0.3)).any()


@pytest.mark.parametrize("shift", [0.3, 0.62])
def test_suggestions_close_in_on_a_minimum(shift: float) -> None:
    def objective(p: list[float]) -> float:
        return (p[0] - shift) ** 2 + 0.5 * (p[1] - 0.5) ** 2 + 0.3 * (p[2] != 1)

    dimensions: list[dict[str, Any]] = [{}, {"levels": [0.0, 0.25, 0.5, 0.75, 1.0]}, {"categories": 3}]
    found = run(dimensions, objective, 25)
    assert min(map(objective, found)) < 2e-3
    assert found == run(dimensions, objective, 25)  # the same seed, the same choices
    assert all(p[1] in (0.0, 0.25, 0.5, 0.75, 1.0) and p[2] in (0, 1, 2) and 0 <= p[0] <= 1 for p in found)
    assert len({tuple(p) for p in found}) == len(found)


def run(dimensions: list[dict[str, Any]], objective: Callable[[list[float]], float], trials: int) -> list[list[float]]:
    made, points = sampler(dimensions), [[0.05, 0.0, 0.0], [0.95, 1.0, 1.0], [0.5, 0.25, 2.0]]
    while len(points) < trials:
        points += made.suggest(points, [objective(p) for p in points])
    return points


def test_several_at_once_are_apart_from_each_other_and_from_what_runs() -> None:
    made = sampler([{}, {}])
    points = [[0.1, 0.1], [0.9, 0.2], [0.5, 0.9], [0.3, 0.6], [0.7, 0.5]]
    values: list[float | None] = [1.0, 2.0, 1.5, None, math.nan]
    busy = [[0.2, 0.3]]
    found = made.suggest(points, values, busy, count=4)
    every = np.array([*points, *busy, *found])
    gaps = np.linalg.norm(every[:, None] - every[None], axis=2)[np.triu_indices(len(every), 1)]
    assert len(found) == 4
    assert gaps.min() > 0.02


def test_a_flat_objective_and_a_huge_history_are_no_trouble() -> None:
    from tuning_image.sampler import LARGEST

    rng = np.random.default_rng(0)
    points = rng.random((3 * LARGEST, 2)).tolist()
    made = sampler([{}, {}])
    assert len(made.suggest(points, [0.5] * len(points), count=2)) == 2
    assert len(made.process.x) <= LARGEST + 1

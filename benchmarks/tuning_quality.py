"""How good the objectives are that tuning finds: our Bayesian strategy, plain Optuna TPE and Random at equal trials, and
Hyperband's epochs against Random's.

    python benchmarks/tuning_quality.py [--seeds 20] [--trials 50] [--task NAME ...] [--processes 2] [--page FILE]

The tasks are real: each objective is a training with cross validation, done for each trial. The sampler is called in this
process, not through jobs: what is measured is the quality of its choices.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import multiprocessing
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

if importlib.util.find_spec("optuna") is None:  # the peer's environment has it, and what the tasks need
    from peers import program

    os.execv(program("optuna", "python"), [program("optuna", "python"), *sys.argv])

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "images" / "tuning")]

from tuning_image.sampler import Sampler  # noqa: E402

from sagewright.slices.tuning.engine import draws  # noqa: E402
from sagewright.slices.tuning.engine.hyperband import Hyperband  # noqa: E402
from sagewright.slices.tuning.engine.space import Parameter, parameters, texts  # noqa: E402

warnings.filterwarnings("ignore")
Objective = Callable[[dict[str, str]], float]


def ranges(**named: tuple[Any, ...]) -> list[Parameter]:
    """name=(low, high, scale), integers where both ends are; name=[texts] for categories."""
    made: dict[str, list[dict[str, Any]]] = {k: [] for k in ("Integer", "Continuous", "Categorical")}
    for name, said in named.items():
        if isinstance(said[0], str):
            made["Categorical"].append({"Name": name, "Values": list(said)})
            continue
        kind = "Integer" if isinstance(said[0], int) and isinstance(said[1], int) else "Continuous"
        scale = said[2] if len(said) > 2 else "Linear"
        made[kind].append({"Name": name, "MinValue": str(said[0]), "MaxValue": str(said[1]), "ScalingType": scale})
    return parameters({f"{k}ParameterRanges": v for k, v in made.items()})


LOG = "Logarithmic"


@functools.cache
def data(name: str) -> tuple[Any, Any]:
    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[:600]
    return StandardScaler().fit_transform(x[order]), y[order]


def folds(count: int, size: int) -> Iterator[tuple[Any, Any]]:
    place = np.arange(size) % count
    for fold in range(count):
        yield place != fold, place == fold


# -- the tasks


def xgboost(h: dict[str, str]) -> float:
    """Root mean squared error of boosted trees on the diabetes data, 3 folds."""
    import xgboost as xgb

    x, y = data("diabetes")
    errors = []
    for train, test in folds(3, len(y)):
        given = {**h, "nthread": 1, "verbosity": 0, "objective": "reg:squarederror"}
        rounds = int(given.pop("num_round"))
        model = xgb.train(given, xgb.DMatrix(x[train], y[train]), rounds)
        errors.append(float(np.mean((model.predict(xgb.DMatrix(x[test])) - y[test]) ** 2)))
    return float(np.sqrt(np.mean(errors)))


def svm(h: dict[str, str]) -> float:
    """Root mean squared error of support vector regression on the diabetes data, 3 folds."""
    from sklearn.svm import SVR

    x, y = data("diabetes")
    errors = []
    for train, test in folds(3, len(y)):
        model = SVR(
            C=float(h["C"]), gamma=float(h["gamma"]), epsilon=float(h["epsilon"]), kernel=h["kernel"], degree=int(h["degree"]),
            coef0=float(h["coef0"]), tol=1e-2, max_iter=3000,
        )
        errors.append(np.mean((model.fit(x[train], y[train]).predict(x[test]) - y[test]) ** 2))
    return float(min(np.sqrt(np.mean(errors)), 1e6))


class Net:
    """A network of one hidden layer on 400 handwritten digits, trained by epochs of stochastic gradient descent."""

    def __init__(self, h: dict[str, str], held_out: int = 0) -> None:
        from sklearn.neural_network import MLPClassifier

        x, y = (part[:400] for part in data("digits"))
        place = np.arange(len(y)) % 3
        self.train, self.test = place != held_out, place == held_out
        self.x, self.y = x, y
        self.model = MLPClassifier(
            hidden_layer_sizes=(int(h["units"]),), learning_rate_init=float(h["rate"]), alpha=float(h["decay"]), solver="sgd",
            momentum=float(h["momentum"]), batch_size=int(h["batch"]), activation=h["activation"], random_state=1,
        )

    def epoch(self) -> float:
        """One more epoch; the cross entropy of what was held out."""
        import sklearn

        # its checks of arguments would take twice as long as the training
        with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            self.model.partial_fit(self.x[self.train], self.y[self.train], classes=np.arange(10))
            found = np.nan_to_num(self.model.predict_proba(self.x[self.test]), nan=0.1)
            right = (found / found.sum(1, keepdims=True))[np.arange(len(found)), self.y[self.test]]
            return float(-np.log(np.clip(right, np.finfo(float).eps, 1.0)).mean())


def network(h: dict[str, str]) -> float:
    """Cross entropy of a small network on held-out digits after 10 epochs."""
    net = Net(h)
    loss = 36.0
    for _ in range(10):
        try:
            loss = net.epoch()
        except ValueError:  # its weights have left the range of numbers
            return 36.0
    return min(loss, 36.0)


def synthetic(h: dict[str, str]) -> float:
    """Levy's function in ten dimensions, its minimum (0) moved out of the middle."""
    x = np.array([float(h[f"x{i}"]) for i in range(10)]) - np.linspace(-3, 3, 10)
    w = 1 + (x - 1) / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def hartmann(h: dict[str, str]) -> float:
    """Hartmann's function in six dimensions; its minimum is -3.3224."""
    a = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
    p = 1e-4 * np.array([
        [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
    ])
    x = np.array([float(h[f"x{i}"]) for i in range(6)])
    return float(-np.array([1, 1.2, 3, 3.2]) @ np.exp(-(a * (x - p) ** 2).sum(1)))


def branin(h: dict[str, str]) -> float:
    """Branin's function in two dimensions; its minimum is 0.3979."""
    x, y = float(h["x0"]), float(h["x1"])
    bend = (y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6) ** 2
    return float(bend + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


NETWORK = ranges(
    rate=(1e-4, 1.0, LOG), decay=(1e-6, 1.0, LOG), units=(4, 64, LOG), batch=(16, 128, LOG),
    momentum=(0.0, 0.99, "ReverseLogarithmic"), activation=("relu", "tanh", "logistic"),
)
TASKS: dict[str, tuple[Objective, list[Parameter]]] = {
    "xgboost": (xgboost, ranges(
        eta=(0.005, 0.8, LOG), max_depth=(1, 10), min_child_weight=(0.5, 60.0, LOG), subsample=(0.3, 1.0), gamma=(0.0, 5.0),
        colsample_bytree=(0.3, 1.0), alpha=(1e-3, 100.0, LOG), num_round=(5, 60), **{"lambda": (1e-3, 100.0, LOG)},
    )),
    "svm": (svm, ranges(
        C=(1e-3, 1e4, LOG), gamma=(1e-6, 10.0, LOG), epsilon=(1e-3, 100.0, LOG), coef0=(0.0, 5.0), degree=(2, 5),
        kernel=("rbf", "poly", "sigmoid"),
    )),
    "network": (network, NETWORK),
    "synthetic10": (synthetic, ranges(**{f"x{i}": (-10.0, 10.0) for i in range(10)})),
    "hartmann6": (hartmann, ranges(**{f"x{i}": (0.0, 1.0) for i in range(6)})),
    "branin": (branin, ranges(x0=(-5.0, 10.0), x1=(0.0, 15.0))),
}


# -- the methods: each gives the best value after each trial


def bayesian(task: str, trials: int, seed: int) -> list[float]:
    objective, space = TASKS[task]
    sampler = Sampler([p.dimension() for p in space], seed)
    points: list[list[float]] = []
    values: list[float | None] = []
    first = draws.spread(space, seed)
    for number in range(trials):
        points.append(first[number] if number < len(first) else sampler.suggest(points, values)[0])
        values.append(objective(texts(space, points[-1])))
    return best(values)


def random(task: str, trials: int, seed: int) -> list[float]:
    objective, space = TASKS[task]
    return best([objective(texts(space, draws.uniform(space, seed, n))) for n in range(1, trials + 1)])


def tpe(task: str, trials: int, seed: int) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective, space = TASKS[task]

    def ask(trial: Any) -> float:
        said = {}
        for p in space:
            if p.kind == "Categorical":
                said[p.name] = trial.suggest_categorical(p.name, list(p.values))
            elif p.kind == "Integer":
                said[p.name] = str(trial.suggest_int(p.name, int(p.low), int(p.high), log=p.scale == LOG))
            elif p.scale == "ReverseLogarithmic":
                said[p.name] = repr(p.number(trial.suggest_float(p.name, 0.0, 1.0)))
            else:
                said[p.name] = repr(trial.suggest_float(p.name, p.low, p.high, log=p.scale == LOG))
        return objective(said)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(ask, n_trials=trials)
    return best([t.value for t in study.trials])


def best(values: list[Any]) -> list[float]:
    return [float(v) for v in np.minimum.accumulate(values)]


METHODS = {"bayesian": bayesian, "tpe": tpe, "random": random}


# -- Hyperband: epochs until as good as Random's best after all its epochs

EPOCHS, FULL = 27, 30
"""Epochs of a whole training, and whole trainings that Random gets."""


def race(seed: int) -> dict[str, float]:
    """Random's best over ``FULL`` whole trainings, and the epochs that Hyperband needs to reach it."""
    space = NETWORK
    goal = min(list(_epochs(texts(space, draws.uniform(space, seed, n))))[-1] for n in range(1, FULL + 1))
    rule = Hyperband(1, EPOCHS)
    spent = trial = 0
    reached = float("inf")
    # other draws than Random's: it must not live on Random's luck
    while spent < 3 * FULL * EPOCHS and reached > goal:
        trial += 1
        for epoch, value in enumerate(_epochs(texts(space, draws.uniform(space, seed + 10_000, trial))), 1):
            spent += 1
            reached = min(reached, value) if epoch == EPOCHS else reached
            if rule.stops(trial, epoch, value):
                break
    return {"goal": goal, "epochs": spent, "share": spent / (FULL * EPOCHS)}


def _epochs(h: dict[str, str]) -> Iterator[float]:
    """The cross entropy after each epoch of a whole training, as long as somebody asks."""
    net = Net(h)
    for _ in range(EPOCHS):
        try:
            yield min(net.epoch(), 36.0)
        except ValueError:  # its weights have left the range of numbers
            yield 36.0


# -- the tables


def work(job: tuple[str, str, int, int]) -> tuple[str, str, list[float], float]:
    task, method, trials, seed = job
    began = time.process_time()
    return task, method, METHODS[method](task, trials, seed), time.process_time() - began


def number(value: float) -> str:
    return f"{value:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--task", nargs="*", default=list(TASKS))
    parser.add_argument("--method", nargs="*", default=list(METHODS))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-hyperband", action="store_true")
    parser.add_argument("--raw", type=Path, help="also write every curve here, as JSON")
    given = parser.parse_args()
    jobs = [(t, m, given.trials, s) for t in given.task for m in given.method for s in range(given.seeds)]
    curves: dict[tuple[str, str], list[list[float]]] = {}
    seconds: dict[tuple[str, str], float] = {}
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for task, method, curve, took in pool.imap_unordered(work, jobs):
            curves.setdefault((task, method), []).append(curve)
            seconds[task, method] = seconds.get((task, method), 0.0) + took
        half = given.trials // 2
        print("| task | " + " | ".join(f"{m}, {n} trials" for n in (half, given.trials) for m in given.method) + " |")
        print("|---" * (1 + 2 * len(given.method)) + "|")
        for task in given.task:
            cells = [
                number(statistics.median(c[n - 1] for c in curves[task, m])) for n in (half, given.trials) for m in given.method
            ]
            print(f"| {task} | " + " | ".join(cells) + " |", flush=True)
        for (task, method), took in sorted(seconds.items()):
            print(f"  {task} {method}: {1000 * took / given.seeds / given.trials:.0f} ms of CPU a trial, the objective's own included")
        if given.raw:
            given.raw.write_text(json.dumps({f"{t}/{m}": c for (t, m), c in curves.items()}))
        if not given.no_hyperband:
            races = pool.map(race, range(given.seeds), chunksize=1)
            shares = sorted(r["share"] for r in races)
            print(f"Hyperband reaches the best of {FULL} random trainings of {EPOCHS} epochs with {statistics.median(shares):.2f} of "
                  f"their epochs (median of {given.seeds} seeds; quartiles {shares[len(shares) // 4]:.2f}, {shares[3 * len(shares) // 4]:.2f})")


if __name__ == "__main__":
    main()

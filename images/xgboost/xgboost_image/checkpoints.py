"""Checkpoints while training, and the callbacks of XGBoost's two callback styles."""

import os
import re
from typing import Any, Callable, List, Optional, Tuple

import xgboost as xgb

from sagewright_container.job import read_config

NAME = re.compile(r"xgboost-checkpoint\.(\d+)$")
KEPT = 5
CLASSES = tuple(int(part) for part in xgb.__version__.split(".")[:2]) >= (1, 3)


def folder() -> Optional[str]:
    """Where checkpoints go; None when the job asked for none."""
    found = read_config("checkpointconfig.json")
    if not found:
        return None
    path = str(found.get("LocalPath") or "/opt/ml/checkpoints")
    os.makedirs(path, exist_ok=True)
    return path


def latest(path: Optional[str]) -> Tuple[Optional[str], int]:
    """The newest checkpoint and how many rounds it holds; (None, 0) without one."""
    rounds = _rounds(path) if path else []
    if not path or not rounds:
        return None, 0
    return os.path.join(path, "xgboost-checkpoint.%d" % rounds[-1]), rounds[-1] + 1


def _rounds(path: str) -> List[int]:
    matches = (NAME.match(name) for name in os.listdir(path))
    return sorted(int(match[1]) for match in matches if match)


def saver(path: str, done: int) -> Any:
    """Saves after each round; a file appears whole or not at all, and only the newest few stay."""

    def after(model: Any, iteration: int) -> bool:
        name = os.path.join(path, "xgboost-checkpoint.%d" % (done + iteration))
        hidden = os.path.join(path, ".writing")
        model.save_model(hidden)
        os.replace(hidden, name)
        for old in _rounds(path)[:-KEPT]:
            os.remove(os.path.join(path, "xgboost-checkpoint.%d" % old))
        return False

    return _callback(after)


def stopper(asked: Callable[[], bool]) -> Any:
    """Ends the training after the round in which ``asked`` becomes true."""
    return _callback(lambda model, iteration: asked())


def _callback(after: Callable[[Any, int], bool]) -> Any:
    if CLASSES:

        class Callback(xgb.callback.TrainingCallback):  # type: ignore[misc, unused-ignore]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                return after(model, epoch)

        return Callback()

    def callback(env: Any) -> None:
        if after(env.model, env.iteration - env.begin_iteration):
            raise xgb.core.EarlyStopException(env.iteration)

    return callback


def in_order(callbacks: List[Any]) -> Any:
    """All callbacks as one, each called in its turn.

    XGBoost keeps callbacks in a set and stops at the first that ends the training: left to it, the last round's
    metrics or checkpoint would be missing every now and then.
    """

    class InOrder(xgb.callback.TrainingCallback):  # type: ignore[misc, unused-ignore]
        def before_training(self, model: Any) -> Any:
            for one in callbacks:
                model = one.before_training(model)
            return model

        def after_training(self, model: Any) -> Any:
            for one in callbacks:
                model = one.after_training(model)
            return model

        def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return any([one.before_iteration(model, epoch, evals_log) for one in callbacks])  # noqa: C419  (all of them, always)

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return any([one.after_iteration(model, epoch, evals_log) for one in callbacks])  # noqa: C419  (all of them, always)

    return InOrder()

"""Trains the built-in algorithm."""

import os
import pickle
import signal
import threading
from typing import Any, Callable, Dict, List, Optional

import xgboost as xgb

from sagewright_container import paths
from sagewright_container.errors import CustomerError
from sagewright_container.job import Job

from . import checkpoints, data, metrics
from .hyperparameters import OURS, is_maximized, validate

MODEL = "xgboost-model"
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
PICKLED = VERSION < (1, 3)
"""Releases of that time stored the booster as a pickle."""
SQUARED_ERROR = ("reg:linear", "reg:squarederror")
"""The old and the new name of one objective; each release knows one of them without complaint."""


def main(job: Job) -> None:
    """Validate, load, train, save.

    Raises:
        CustomerError: hyperparameters, channels or data are not as they must be.
    """
    found = validate({key: value for key, value in job.raw.items() if not key.startswith("sagemaker_")})
    names = [name for name in ("train", "validation") if name in job.channels]
    if len(job.hosts) > 1:
        _on_all_hosts(job, found, names)
        return
    if "train" not in job.channels:
        raise CustomerError("Missing required channel: train")
    _train(job, found, names)


def _on_all_hosts(job: Job, found: Dict[str, Any], names: List[str]) -> None:
    from . import cluster

    if "_kfold" in found:
        raise CustomerError("Cross validation (_kfold) runs on one instance; set the instance count to 1")
    here = cluster.gather(job, {name: data.present(paths.channel(name)) for name in names})
    if here.trains:
        with here.together():
            _train(job, found, names, here.saves, here.agree)
    else:
        print("There is no training data on this host; %s train" % " and ".join(here.trainers), flush=True)
    here.end()


def _train(
    job: Job, found: Dict[str, Any], names: List[str], saves: bool = True, agree: Callable[[bool], bool] = bool,
) -> None:
    """``saves``: write the model and checkpoints. ``agree``: whether a flag is up on any host."""
    if "_kfold" in found:
        matrices = {"train": _load(job, names, found)}  # cross validation splits all there is
    else:
        matrices = {name: _load(job, [name], found) for name in names}
    for name, matrix in matrices.items():
        print("%s matrix has %d rows and %d columns" % (name.capitalize(), matrix.num_row(), matrix.num_col()), flush=True)
    try:
        if "_kfold" in found:
            from . import crossvalidation

            crossvalidation.run(found, matrices["train"])
        else:
            booster = fit(found, matrices["train"], matrices.get("validation"), resume=True, saves=saves, agree=agree)
            if saves:
                save(booster, MODEL)
    except xgb.core.XGBoostError as e:
        raise CustomerError("XGBoost could not train: %s" % data.first_line(e)) from e


def fit(
    found: Dict[str, Any], train: "xgb.DMatrix", validation: Optional["xgb.DMatrix"],
    resume: bool = False, history: Optional[Dict[str, Any]] = None, saves: bool = True, agree: Callable[[bool], bool] = bool,
) -> "xgb.Booster":
    """One booster by the validated hyperparameters; prints one line of metrics a round."""
    own, ours = metrics.split(_wanted(found))
    parameters = {key: value for key, value in found.items() if key not in OURS}
    if parameters.get("objective") in SQUARED_ERROR:
        parameters["objective"] = SQUARED_ERROR[VERSION >= (0, 90)]
    if own:
        parameters["eval_metric"] = own
    if ours and not own:
        parameters["disable_default_eval_metric"] = 1
    folder = checkpoints.folder() if resume else None
    start, done = checkpoints.latest(folder)
    rounds = found["num_round"] - done
    if rounds <= 0:
        assert start is not None
        booster = xgb.Booster(parameters)
        booster.load_model(start)
        return booster
    stop = _Stop(found.get("save_model_on_termination", False) and resume, aside=agree is not bool)
    options: Dict[str, Any] = {"evals": [(train, "train")], "xgb_model": start}
    if validation is not None:
        options["evals"].append((validation, "validation"))
    if history is not None:
        options["evals_result"] = history
    if ours:
        # releases between those two hand the metric raw scores instead of predictions
        margins = (1, 2) <= VERSION < (1, 6)
        evaluate = metrics.evaluator(ours, margins, found.get("objective", "reg:squarederror"))
        options["custom_metric" if VERSION >= (1, 6) else "feval"] = evaluate
    options.update(_early_stopping(found, validation is not None, own + ours))
    callbacks = options.setdefault("callbacks", [])
    if folder and saves:
        callbacks.append(checkpoints.saver(folder, done))
    if stop.wanted:
        callbacks.append(checkpoints.stopper(lambda: agree(stop.asked)))
    if checkpoints.CLASSES:
        options["callbacks"] = [checkpoints.in_order([xgb.callback.EvaluationMonitor(), *callbacks])]
        options["verbose_eval"] = False
    with stop:
        return xgb.train(parameters, train, num_boost_round=rounds, **options)


def _wanted(found: Dict[str, Any]) -> List[str]:
    """The metrics to print: those asked for, and that of the tuning job that the training is a trial of."""
    names = list(found.get("eval_metric", []))
    tuned = found.get("_tuning_objective_metric", "").rpartition(":")[2]
    return [*names, tuned] if tuned and tuned not in names else names


def _early_stopping(found: Dict[str, Any], validated: bool, names: List[str]) -> Dict[str, Any]:
    rounds = found.get("early_stopping_rounds")
    if not rounds or not validated:
        return {}
    maximize = is_maximized(names[-1]) if names else None
    if VERSION < (1, 3):
        return {"early_stopping_rounds": rounds, "maximize": bool(maximize)}
    keep_best = found.get("booster") != "gblinear"
    stopping = xgb.callback.EarlyStopping(rounds=rounds, data_name="validation", maximize=maximize, save_best=keep_best)
    return {"callbacks": [stopping]}


def save(booster: "xgb.Booster", name: str) -> None:
    path = os.path.join(paths.model(), name)
    os.makedirs(paths.model(), exist_ok=True)
    if PICKLED:
        with open(path, "wb") as file:
            pickle.dump(booster, file, protocol=4)
    else:
        booster.save_model(path)


def _load(job: Job, names: List[str], found: Dict[str, Any]) -> "xgb.DMatrix":
    types = [job.channels[name].get("ContentType") for name in names]
    if len({data.kind_of(given) for given in types}) > 1:
        raise CustomerError("Cross validation needs one content type for all channels, not %s" % types)
    matrix = data.load([paths.channel(name) for name in names], types[0], bool(found.get("csv_weights")))
    if not matrix.num_row():
        raise CustomerError("No data in the channel %s" % names[0])
    return matrix


class _Stop:
    """Turns SIGTERM into "end after this round", so that the model of the rounds so far is saved.

    ``aside``: a thread takes the signal, for in the main one it would break XGBoost's talk with the other hosts.
    """

    def __init__(self, wanted: bool, aside: bool = False) -> None:
        self.wanted, self._aside = wanted, aside
        self.asked = False

    def __enter__(self) -> None:
        if self.wanted:
            signal.signal(signal.SIGTERM, self._ask)
        if self.wanted and self._aside:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            threading.Thread(target=self._wait, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        if self.wanted:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if not self._aside else signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _wait(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self.asked = True

    def _ask(self, *_: object) -> None:
        self.asked = True



"""K-fold cross validation (hyperparameters _kfold and _num_cv_round): one model a fold, and their mean metrics."""

import csv
import os
from typing import Any, Dict, List

import numpy as np
import xgboost as xgb

from sagewright_container import paths

from .serve import predict
from .train import MODEL, fit, save

CLASSIFICATION = ("binary:", "multi:")


def run(found: Dict[str, Any], matrix: "xgb.DMatrix") -> None:
    """Train on every split, save each model as ``xgboost-model-<n>``, and print the mean of the last metrics.

    output/data/predictions.csv gets label and out-of-fold prediction of every row, once a repetition.
    """
    history: List[Dict[str, Any]] = []
    rows: List[List[Any]] = []
    labels = matrix.get_label()
    for number, (train, test) in enumerate(_splits(found, labels)):
        print("Train cross validation fold %d" % (number % found["_kfold"] + 1), flush=True)
        seen: Dict[str, Any] = {}
        held_out = matrix.slice(test)
        booster = fit(found, matrix.slice(train), held_out, history=seen)
        save(booster, "%s-%d" % (MODEL, number))
        history.append(seen)
        predicted = predict(booster, held_out).tolist()
        rows += [[index, label, value] for index, label, value in zip(test.tolist(), labels[test].tolist(), predicted)]  # noqa: B905  (Python 3.8)
    _report(found["num_round"], history)
    _store(sorted(rows, key=lambda row: row[0]))


def _splits(found: Dict[str, Any], labels: Any) -> Any:
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    stratified = found.get("objective", "").startswith(CLASSIFICATION)
    kind = RepeatedStratifiedKFold if stratified else RepeatedKFold
    splitter = kind(n_splits=found["_kfold"], n_repeats=found.get("_num_cv_round", 1), random_state=found.get("seed"))
    return splitter.split(np.zeros(len(labels)), labels)


def _report(rounds: int, history: List[Dict[str, Any]]) -> None:
    """One line in the shape of a round's, with the mean over the folds of each last value."""
    parts = ["[%d]" % rounds]
    for data in history[0]:
        for metric in history[0][data]:
            mean = float(np.mean([seen[data][metric][-1] for seen in history]))
            parts.append("%s-%s:%.5f" % (data, metric, mean))
    print("\t".join(parts), flush=True)


def _store(rows: List[List[Any]]) -> None:
    folder = os.path.join(paths.output(), "data")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "predictions.csv"), "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for _, label, value in rows:
            writer.writerow([label, *(value if isinstance(value, list) else [value])])

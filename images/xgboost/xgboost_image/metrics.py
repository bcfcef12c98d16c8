"""Evaluation metrics beyond XGBoost's own, by scikit-learn's definitions."""

from typing import Any, Callable, Dict, List, Tuple

import numpy as np

Metric = Callable[[Any, Any], float]


def _sklearn(name: str, **options: Any) -> Metric:
    def metric(labels: Any, predicted: Any) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(labels, predicted, **options))

    return metric


CLASSES: Dict[str, Metric] = {
    "accuracy": _sklearn("accuracy_score"),
    "balanced_accuracy": _sklearn("balanced_accuracy_score"),
    "f1": _sklearn("f1_score", average="macro"),
    "f1_binary": _sklearn("f1_score", average="binary"),
    "f1_macro": _sklearn("f1_score", average="macro"),
    "precision": _sklearn("precision_score", average="binary", zero_division=0),
    "precision_macro": _sklearn("precision_score", average="macro", zero_division=0),
    "precision_micro": _sklearn("precision_score", average="micro", zero_division=0),
    "recall": _sklearn("recall_score", average="binary", zero_division=0),
    "recall_macro": _sklearn("recall_score", average="macro", zero_division=0),
    "recall_micro": _sklearn("recall_score", average="micro", zero_division=0),
}
"""Metrics of predicted classes."""
VALUES: Dict[str, Metric] = {"mse": _sklearn("mean_squared_error"), "r2": _sklearn("r2_score")}
"""Metrics of predicted values."""


def split(names: List[str]) -> Tuple[List[str], List[str]]:
    """(XGBoost's own, ours), in the order given."""
    own = [name for name in names if name not in CLASSES and name not in VALUES]
    return own, [name for name in names if name not in own]


def evaluator(names: List[str], margins: bool, objective: str) -> Callable[[Any, Any], List[Tuple[str, float]]]:
    """The function that XGBoost calls after a round; ``margins`` when it passes raw scores, not predictions."""

    def evaluate(predicted: Any, matrix: Any) -> List[Tuple[str, float]]:
        labels = matrix.get_label()
        values = np.asarray(predicted)
        found = []
        for name in names:
            if name in CLASSES:
                found.append((name, CLASSES[name](labels, _classes(values, objective, margins))))
            else:
                found.append((name, VALUES[name](labels, _transformed(values, objective, margins))))
        return found

    return evaluate


def _classes(values: Any, objective: str, margins: bool) -> Any:
    if values.ndim > 1 and values.shape[1] > 1:
        return values.argmax(axis=-1)
    values = values.reshape(-1)
    if objective == "binary:logitraw" or (margins and objective.startswith(("binary:", "reg:logistic"))):
        return (values > 0).astype(int)
    if objective in ("multi:softmax", "binary:hinge") and not margins:
        return values.astype(int)
    return (values > 0.5).astype(int)


def _transformed(values: Any, objective: str, margins: bool) -> Any:
    if margins and objective in ("binary:logistic", "reg:logistic"):
        return 1 / (1 + np.exp(-values))
    if margins and objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"):
        return np.exp(values)
    return values

"""Predictions as response bodies: the formats of the container, and selectable content by objective."""

import csv
import io
import json
from typing import Any, Dict, Iterator, List

import numpy as np

from sagewright_container import content, recordio
from sagewright_container.recordio import Record, Tensor

RECORDIO = "application/x-recordio-protobuf"
FORMATS = (content.CSV, content.JSON, content.JSONLINES, RECORDIO, "text/libsvm")
CLASS_KEYS = ("predicted_label", "labels", "raw_score", "raw_scores")
PROBABILITY_KEYS = (*CLASS_KEYS, "probability", "probabilities")
ALLOWED: Dict[str, Any] = {
    "binary:logistic": PROBABILITY_KEYS, "multi:softprob": PROBABILITY_KEYS, "binary:logitraw": CLASS_KEYS,
    "binary:hinge": CLASS_KEYS, "multi:softmax": CLASS_KEYS,
}  # fmt: skip
EVERY = (*PROBABILITY_KEYS, "predicted_score")


def select(wanted: str, objective: str) -> List[str]:
    """The keys of SAGEMAKER_INFERENCE_OUTPUT.

    Raises:
        ValueError: a name that no objective has.
    """
    keys = [key.strip().lower() for key in wanted.split(",") if key.strip()]
    unknown = [key for key in keys if key not in EVERY]
    if unknown:
        raise ValueError("SAGEMAKER_INFERENCE_OUTPUT: %s is not one of %s" % (", ".join(unknown), ", ".join(EVERY)))
    return keys


def combine(predictions: List[Any], objective: str) -> Any:
    """An ensemble's answer: the majority of classes, else the mean."""
    stacked = np.stack(predictions)
    if objective in ("multi:softmax", "binary:hinge"):
        return np.array([np.bincount(column.astype(int)).argmax() for column in stacked.T], dtype=np.float32)
    return stacked.mean(axis=0)


def encode(predictions: Any, accept: str, batch: bool) -> bytes:
    """All predictions in one body; in a batch transform each has its own line."""
    values = predictions.tolist()
    if accept == content.JSON:
        return json.dumps({"predictions": [{"score": value} for value in values]}).encode()
    if accept == content.JSONLINES:
        return b"".join(json.dumps({"score": value}).encode() + b"\n" for value in values)
    if accept == RECORDIO:
        return recordio.dumps(records(predictions))
    words = [str(value) for value in values]
    return ("\n".join(words) + "\n" if batch else ",".join(words)).encode()


def records(predictions: Any) -> Iterator[Record]:
    for value in predictions.tolist():
        yield Record({}, {"score": Tensor(value if isinstance(value, list) else [value])})


def selected(predictions: Any, keys: List[str], objective: str, classes: int) -> List[Dict[str, Any]]:
    """One dictionary a row. A key that the objective does not have is NaN."""
    allowed = ALLOWED.get(objective, ("predicted_score",))
    rows = []
    for value in predictions.tolist():
        row: Dict[str, Any] = {}
        for key in keys:
            row[key] = _KEYS[key](value, objective, classes) if key in allowed else float("nan")
        rows.append(row)
    return rows


def encode_selected(rows: List[Dict[str, Any]], keys: List[str], accept: str) -> bytes:
    if accept == content.JSON:
        return json.dumps({"predictions": rows}).encode()
    if accept == content.JSONLINES:
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if accept == RECORDIO:
        return recordio.dumps(
            Record({}, {key: Tensor(value if isinstance(value, list) else [value]) for key, value in row.items()})
            for row in rows
        )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([json.dumps(row[key]) if isinstance(row[key], list) else row[key] for key in keys])
    return out.getvalue().encode()


def _label(value: Any, objective: str, classes: int) -> int:
    if isinstance(value, list):
        return int(np.argmax(value))
    if objective == "binary:logistic":
        return int(value > 0.5)
    if objective == "binary:logitraw":
        return int(value > 0)
    return int(value)


def _both(value: Any, objective: str, classes: int) -> List[float]:
    return value if isinstance(value, list) else [1 - value, value]


_KEYS: Dict[str, Any] = {
    "predicted_label": _label,
    "labels": lambda value, objective, classes: list(range(classes if objective.startswith("multi:") else 2)),
    "probability": lambda value, objective, classes: max(value) if isinstance(value, list) else value,
    "probabilities": _both,
    "raw_score": lambda value, objective, classes: max(value) if isinstance(value, list) else value,
    "raw_scores": _both,
    "predicted_score": lambda value, objective, classes: value,
}

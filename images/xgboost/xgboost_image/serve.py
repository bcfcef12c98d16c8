"""Serves models of the built-in algorithm, and the defaults of scripts' functions."""

import functools
import json
import os
import pickle
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import xgboost as xgb

from sagewright_container import content, paths, recordio
from sagewright_container.errors import HttpError
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, guarded

from . import data, output
from .dense import Dense, available

SMALL = 16384
"""Bytes of a request up to which it is predicted together with others."""
LARGE = 65536
"""Bytes of a CSV request from which a library reads it."""
RECORDIO = "application/x-recordio-protobuf"
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])


class Builtin(Handler):
    """One booster, or the mean of several when the model folder holds an ensemble."""

    together = True

    def __init__(self) -> None:
        self._boosters: List["xgb.Booster"] = []
        self._objective = ""
        self._classes = 0
        self._keys: List[str] = []

    def load(self) -> None:
        files = sorted(
            path for path in (os.path.join(paths.model(), name) for name in os.listdir(paths.model()))
            if os.path.isfile(path) and not os.path.basename(path).startswith(".")
        )  # fmt: skip
        if not files:
            raise FileNotFoundError("the model folder holds no model file")
        ensemble = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "true"
        self._boosters = [load_booster(path) for path in (files if ensemble else files[:1])]
        self._objective, self._classes = describe(self._boosters[0])
        wanted = os.environ.get("SAGEMAKER_INFERENCE_OUTPUT", "")
        self._keys = output.select(wanted, self._objective) if wanted else []
        predict_first(self._boosters[0])

    def execution_parameters(self) -> Dict[str, Any]:
        limit = int(os.environ.get("MAX_CONTENT_LENGTH") or 6 * 1024 * 1024)
        return {
            "MaxConcurrentTransforms": len(os.sched_getaffinity(0)), "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": limit // (1024 * 1024),
        }  # fmt: skip

    def invoke(self, request: Request) -> Response:
        if not request.body:
            return Response(status=204)
        rows = _small(request) if not self._keys else None
        if rows is not None and rows.ndim == 2 and rows.shape[1] == features(self._boosters[0]):
            return Response(self._format(self._predict_dense(rows), content.CSV), content.CSV)
        accept = content.negotiate(request.headers.get("accept", ""), output.FORMATS, content.CSV)
        try:
            matrix = parse(request.body, request.content_type or "text/csv")
        except (ValueError, IndexError, UnicodeDecodeError, data.CustomerError) as e:
            raise HttpError(415, "Loading payload failed: %s" % e) from e
        return Response(self._format(self._predict(matrix, request), accept), accept)

    def invoke_many(self, requests: Sequence[Request]) -> List[Response]:
        """Small dense CSV requests are predicted together: a call's fixed cost is that of dozens of rows."""
        answers: List[Optional[Response]] = [None] * len(requests)
        together: List[Tuple[int, Any]] = []
        width = features(self._boosters[0])
        for at, request in enumerate(requests):
            rows = _small(request) if width is not None and not self._keys else None
            if rows is not None and rows.ndim == 2 and rows.shape[1] == width:
                together.append((at, rows))
            else:
                answers[at] = guarded(self.invoke, request)
        if together:
            try:
                found = self._predict_dense(np.concatenate([rows for _, rows in together]))
            except Exception:
                for at, _ in together:
                    answers[at] = guarded(self.invoke, requests[at])  # each with its own error
            else:
                first = 0
                for at, rows in together:
                    answers[at] = Response(self._format(found[first : first + len(rows)], content.CSV), content.CSV)
                    first += len(rows)
        return [answer for answer in answers if answer is not None]

    def _predict_dense(self, rows: Any) -> Any:
        """Predictions for a matrix of as many columns as the model has features."""
        found = [predict_dense(booster, rows) for booster in self._boosters]
        return found[0] if len(found) == 1 else output.combine(found, self._objective)

    def _predict(self, matrix: "xgb.DMatrix", request: Request) -> Any:
        expected, given = features(self._boosters[0]), matrix.num_col()
        sparse = content.media(request.content_type).endswith("libsvm")
        # a sparse row may end before the last column; a dense one has them all
        if expected is not None and (given > expected if sparse else given != expected):
            raise HttpError(400, "Unable to evaluate payload provided: Feature size of %s inference data %d is not "
                            "consistent with feature size of trained model %d." % (
                                "libsvm" if sparse else "csv", given, expected))  # fmt: skip
        try:
            found = [predict(booster, matrix) for booster in self._boosters]
        except (xgb.core.XGBoostError, ValueError) as e:
            raise HttpError(400, "Unable to evaluate payload provided: %s" % data.first_line(e)) from e
        return found[0] if len(found) == 1 else output.combine(found, self._objective)

    def _format(self, predictions: Any, accept: str) -> bytes:
        if self._keys:
            rows = output.selected(predictions, self._keys, self._objective, self._classes)
            return output.encode_selected(rows, self._keys, accept)
        return output.encode(predictions, accept, os.environ.get("SAGEMAKER_BATCH", "").lower() == "true")


def parse(body: bytes, content_type: str) -> "xgb.DMatrix":
    """A request's rows.

    Raises:
        HttpError: 415 for a content type that is not served.
        ValueError: the body does not hold it.
    """
    name = content.media(content_type)
    if name in ("text/csv", "csv"):
        return xgb.DMatrix(_csv(body))
    if name in ("text/libsvm", "text/x-libsvm", "application/x-libsvm", "libsvm"):
        return xgb.DMatrix(data.parse_libsvm(body.decode("utf-8")).features)
    if name == RECORDIO:
        return xgb.DMatrix(data.table_of_records(body).features)
    raise HttpError(415, "Content type %s is not supported. Please use one of text/csv, text/libsvm, %s" % (content_type, RECORDIO))


def _csv(body: bytes) -> Any:
    if len(body) > LARGE:
        return data.rows_of_csv(body)
    lines = [line for line in body.decode("utf-8").splitlines() if line.strip()]
    if not lines:
        raise ValueError("the body holds no row")
    separator = next((mark for mark in (",", "\t", ";", "|") if mark in lines[0]), None)
    rows = [[float(cell) if cell.strip() else np.nan for cell in line.split(separator)] for line in lines]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the rows differ in their number of columns")
    return np.array(rows, dtype=np.float32)


def _small(request: Request) -> Any:
    """The rows of a plain CSV request of a few rows, answered in CSV; None for any other request."""
    body = request.body
    if not body or len(body) > SMALL or request.content_type not in ("", "text/csv") or b"\t" in body or b";" in body or b"|" in body:
        return None
    if request.headers.get("accept", "") not in ("", "*/*", "text/csv"):
        return None
    try:
        return np.array([[float(cell) for cell in line.split(b",")] for line in body.split(b"\n") if line.strip()], dtype=np.float32)
    except ValueError:
        return None


def load_booster(path: str) -> "xgb.Booster":
    """A model file of any release: a pickle of old ones, or XGBoost's own formats."""
    with open(path, "rb") as file:
        head = file.read(2)
    if head[:1] == b"\x80" or head[:2] == b"cc":
        with open(path, "rb") as file:
            found = pickle.load(file)
        return found.get_booster() if hasattr(found, "get_booster") else found
    booster = xgb.Booster()
    booster.load_model(path)
    return booster


def describe(booster: "xgb.Booster") -> Tuple[str, int]:
    """Objective and number of classes; empty where the release cannot tell."""
    if not hasattr(booster, "save_config"):
        return "", 0
    learner = json.loads(booster.save_config())["learner"]
    classes = int(learner.get("learner_model_param", {}).get("num_class", 0))
    return str(learner.get("objective", {}).get("name", "")), classes


@functools.lru_cache(maxsize=64)  # the older releases write their whole configuration to tell
def features(booster: "xgb.Booster") -> Optional[int]:
    if hasattr(booster, "num_features"):
        return int(booster.num_features())
    if hasattr(booster, "save_config"):
        return int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_feature"])
    return None


def predict(booster: "xgb.Booster", matrix: "xgb.DMatrix") -> Any:
    """Predictions by the best round when training stopped early."""
    options: Dict[str, Any] = {"validate_features": False}
    best = booster.attr("best_iteration")
    if best is not None and VERSION >= (1, 4):
        options["iteration_range"] = (0, min(int(best) + 1, booster.num_boosted_rounds()))
    elif getattr(booster, "best_ntree_limit", 0):
        options["ntree_limit"] = booster.best_ntree_limit
    return booster.predict(matrix, **options)


def predict_dense(booster: "xgb.Booster", rows: Any) -> Any:
    """``predict`` of a dense float32 matrix, without the cost of a DMatrix where the release can."""
    dense = _dense(booster)
    return dense(rows) if dense is not None else predict(booster, xgb.DMatrix(rows))


@functools.lru_cache(maxsize=64)
def _dense(booster: "xgb.Booster") -> Optional[Dense]:
    return Dense(booster) if available(booster) else None


def predict_first(booster: "xgb.Booster") -> None:
    """One prediction before the first caller waits for it: it sets up threads and caches."""
    width = features(booster)
    if width:
        predict(booster, xgb.DMatrix(np.zeros((1, width), np.float32)))


def default_model_fn(model_dir: str) -> "xgb.Booster":
    return load_booster(os.path.join(model_dir, "xgboost-model"))


def default_input_fn(body: Any, content_type: str) -> Any:
    if content.media(content_type) in (content.JSON, content.JSONLINES, content.NPY):
        return xgb.DMatrix(np.atleast_2d(np.asarray(content.decode(body, content_type), np.float32)))
    try:
        return parse(body, content_type)
    except (ValueError, IndexError) as e:
        raise HttpError(415, "Loading payload failed: %s" % e) from e


def default_predict_fn(matrix: Any, model: Any) -> Any:
    if isinstance(model, xgb.Booster):
        return predict(model, matrix)
    sys.stderr.write("the model is no Booster; predict_fn calls its predict as it is\n")
    return model.predict(matrix)


def default_output_fn(prediction: Any, accept: str) -> Tuple[bytes, str]:
    if accept == RECORDIO:
        return recordio.dumps(output.records(prediction)), accept
    return content.encode(prediction, accept), accept


DEFAULTS: Dict[str, Any] = {
    "model_fn": default_model_fn, "input_fn": default_input_fn, "predict_fn": default_predict_fn,
    "output_fn": default_output_fn,
}  # fmt: skip

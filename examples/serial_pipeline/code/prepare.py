"""Turns homes into numbers: trained as a job, then the first container of a pipeline, or a batch transform of training data."""

import argparse
import io
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FEATURES = ["district", "metres", "rooms"]
LABEL = "price"


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "prepare.joblib")


def input_fn(body, content_type):
    """Rows of features; of training data with the price before them."""
    if content_type.split(";")[0] != "text/csv":
        raise ValueError(f"homes come as text/csv, not {content_type}")
    rows = pd.read_csv(io.StringIO(body if isinstance(body, str) else body.decode()), header=None)
    rows.columns = FEATURES if rows.shape[1] == len(FEATURES) else [LABEL, *FEATURES]
    return rows


def predict_fn(rows, model):
    numbers = model.transform(rows[FEATURES])
    return np.column_stack([rows[LABEL], numbers]) if LABEL in rows else numbers


def output_fn(numbers, accept):
    """What the next container reads, whatever the pipeline's caller accepts."""
    out = io.StringIO()
    np.savetxt(out, numbers, delimiter=",", fmt="%.6g")
    return out.getvalue(), "text/csv"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"))
    given, _ = parser.parse_known_args()
    homes = pd.concat(pd.read_csv(path, header=None, names=[LABEL, *FEATURES]) for path in sorted(Path(given.train).glob("*.csv")))
    steps = [("scale", StandardScaler(), ["metres", "rooms"]), ("kind", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["district"])]
    joblib.dump(ColumnTransformer(steps).fit(homes[FEATURES]), Path(given.model_dir) / "prepare.joblib")

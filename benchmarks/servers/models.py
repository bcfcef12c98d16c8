"""The benchmark's models in the peers' processes: ``predict(rows)`` of a float32 matrix, and ``rows(body)`` of CSV."""

import io
import os

import numpy as np


def rows(body):
    """One row by hand, which is the fastest for it; many by NumPy's parser in C."""
    if b"\n" not in body:
        return np.array([[float(cell) for cell in body.split(b",")]], dtype=np.float32)
    return np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32, ndmin=2)


def load():
    """The predict function of the model that MODEL names."""
    path = os.environ["MODEL"]
    if path.endswith(".json"):
        import xgboost as xgb

        booster = xgb.Booster(model_file=path)
        return lambda matrix: booster.inplace_predict(matrix, validate_features=False)
    if path.endswith(".pt"):
        import torch

        model = torch.jit.load(path).eval()

        def predict(matrix):
            with torch.inference_mode():
                return model(torch.from_numpy(matrix)).numpy()[:, 0]

        return predict
    import joblib

    return joblib.load(path).predict


def text(found):
    return "\n".join(map(str, found.tolist())).encode()

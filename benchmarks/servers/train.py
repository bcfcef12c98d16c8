"""Trains a model of the serving benchmark: ``KIND FOLDER BODY``; the model's file, and what it says to the rows of the body.

Run by the environment that will serve the file: pickles do not cross releases of scikit-learn.
"""

import json
import sys
from pathlib import Path

import numpy as np

kind, folder, body = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
chance = np.random.default_rng(7)
x = chance.normal(size=(20_000, 30)).astype(np.float32)
y = ((x[:, :10].sum(1) + chance.normal(size=20_000)) > 0).astype(int)
rows = np.loadtxt(body, delimiter=",", dtype=np.float32, ndmin=2)
folder.mkdir(parents=True, exist_ok=True)

if kind == "xgboost":
    import xgboost as xgb

    booster = xgb.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 2}, xgb.DMatrix(x, y), 100)
    booster.save_model(folder / "model.json")
    found = booster.inplace_predict(rows)
elif kind == "mlp":
    import torch

    torch.manual_seed(7)
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 128), torch.nn.ReLU(), torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1), torch.nn.Sigmoid()
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for batch in torch.randperm(len(x)).split(256):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(model(torch.from_numpy(x[batch]))[:, 0], torch.from_numpy(y[batch]).float()).backward()
        optimizer.step()
    torch.jit.script(model.eval()).save(folder / "model.pt")
    with torch.no_grad():
        found = model(torch.from_numpy(rows)).numpy()
else:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    joblib.dump(pipeline, folder / "model.joblib")
    found = pipeline.predict(rows)

(folder / "expected.json").write_text(json.dumps(np.asarray(found, dtype=float).ravel().tolist()))

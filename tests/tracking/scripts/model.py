"""Log a scikit-learn model and register it."""

import json
import sys

import mlflow
import numpy as np
from sklearn.linear_model import LinearRegression

with mlflow.start_run() as run:
    model = LinearRegression().fit(np.array([[1.0], [2.0], [3.0]]), [2.0, 4.0, 6.0])
    logged = mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
for _ in range(int(sys.argv[2])):
    made = mlflow.register_model(logged.model_uri, sys.argv[1])
print("RESULT " + json.dumps({"run": run.info.run_id, "version": made.version}))

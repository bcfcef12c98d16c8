"""Artifacts through the server: nothing but the tracking URI is needed."""

import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow

experiment = mlflow.create_experiment(sys.argv[1], artifact_location="mlflow-artifacts:/" + sys.argv[1])
folder = Path(tempfile.mkdtemp())
big = os.urandom(3 * 2**20)
(folder / "big.bin").write_bytes(big)
with mlflow.start_run(experiment_id=experiment) as run:
    mlflow.log_artifact(str(folder / "big.bin"))
    mlflow.log_text("small", "small.txt")
client = mlflow.MlflowClient()
back = Path(client.download_artifacts(run.info.run_id, "big.bin")).read_bytes()
print("RESULT " + json.dumps({"uri": run.info.artifact_uri, "same": back == big, "listed": sorted(a.path for a in client.list_artifacts(run.info.run_id))}))

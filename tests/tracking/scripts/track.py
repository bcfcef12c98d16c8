"""What a data scientist does with a tracking server: log, search, read back."""

import json
import sys
import tempfile
from pathlib import Path

import mlflow

mlflow.set_experiment(sys.argv[1])
folder = Path(tempfile.mkdtemp())
with mlflow.start_run(run_name="first run") as run:
    mlflow.log_params({"depth": 6, "name": "a b+c/ü"})
    mlflow.set_tag("team", "x & y")
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    (folder / "note.txt").write_text("hello")
    mlflow.log_artifact(str(folder / "note.txt"), artifact_path="notes")
    mlflow.log_dict({"a": 1}, "conf/settings.json")
with mlflow.start_run(run_name="second"):
    mlflow.log_param("depth", 2)
    mlflow.log_metric("loss", 3.0)

client = mlflow.MlflowClient()
found = mlflow.search_runs(filter_string="params.depth = '6' and metrics.loss < 1", output_format="list")
again = client.get_run(run.info.run_id)
print("RESULT " + json.dumps({
    "run": run.info.run_id,
    "experiment": run.info.experiment_id,
    "found": [r.info.run_id for r in found],
    "params": again.data.params,
    "tags": {k: v for k, v in again.data.tags.items() if not k.startswith("mlflow.")},
    "status": again.info.status,
    "loss": [m.value for m in client.get_metric_history(run.info.run_id, "loss")],
    "artifact_uri": run.info.artifact_uri,
    "artifacts": sorted(a.path for a in client.list_artifacts(run.info.run_id)),
    "note": Path(client.download_artifacts(run.info.run_id, "notes/note.txt")).read_text(),
}))

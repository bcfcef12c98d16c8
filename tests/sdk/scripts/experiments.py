"""Experiments of either SDK as a user writes it: runs, everything that they log, a job inside a run, analytics.

    experiments.py WORK EXPERIMENT
"""

import json
import os
import sys
from pathlib import Path

try:
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker.experiments.experiment import Experiment
    from sagemaker.experiments.run import Run, SortByType, SortOrderType, list_runs, load_run
    from sagemaker.session import Session
except ImportError:
    from sagemaker.core.analytics import ExperimentAnalytics
    from sagemaker.core.experiments.experiment import Experiment
    from sagemaker.core.experiments.run import Run, SortByType, SortOrderType, list_runs, load_run
    from sagemaker.core.helper.session_helper import Session

work = Path(sys.argv[1])
session = Session()

name = sys.argv[2]
(work / "notes.txt").write_text("what I did")

with Run(experiment_name=name, run_name="First", sagemaker_session=session, tags=[{"Key": "team", "Value": "blue"}]) as run:
    run.log_parameter("lr", 0.1)
    run.log_parameters({"opt": "adam", "depth": 3, "bad": float("nan")})
    for step in range(25):
        run.log_metric("loss", 10.0 - step, step=step)
    run.log_metric("loss", float("inf"))
    run.log_artifact("data", "s3://bucket/data.csv", media_type="text/csv", is_output=False)
    run.log_file(str(work / "notes.txt"), name="notes")
    graphs = []
    try:
        import sklearn  # noqa: F401

        run.log_roc_curve([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], title="roc")
        run.log_precision_recall([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], title="pr")
        run.log_confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0], title="matrix", is_output=False)
        graphs = ["roc", "pr", "matrix"]
    except ImportError:
        pass
    config = run.experiment_config

failed = False
try:
    with Run(experiment_name=name, run_name="second", sagemaker_session=session) as run:
        run.log_metric("loss", 0.5, step=0)
        raise ValueError("out of luck")
except ValueError:
    failed = True

with load_run(experiment_name=name, run_name="first", sagemaker_session=session) as run:
    run.log_parameter("lr", 0.2)
    run.log_metric("loss", -100.0, step=25)

runs = list_runs(experiment_name=name, sort_by=SortByType.NAME, sort_order=SortOrderType.ASCENDING, sagemaker_session=session)
frame = ExperimentAnalytics(
    experiment_name=name, sort_by="metrics.loss.min", sort_order="Ascending", sagemaker_session=session
).dataframe()
rows = [{k: v for k, v in row.items() if v == v} for row in frame.to_dict("records")]

bucket = session.default_bucket()
keys = [o["Key"] for o in session.boto_session.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]
loaded = Experiment.load(name, session)
print("RESULT " + json.dumps({
    "config": config, "failed": failed, "runs": [r.run_name for r in runs], "rows": rows, "graphs": graphs,
    "keys": [k for k in keys if name in k], "arn": loaded.experiment_arn, "region": os.environ["AWS_DEFAULT_REGION"],
}))

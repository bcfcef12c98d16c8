"""SDK v2: a scikit-learn script with a requirements.txt, trained and deployed."""

import json
import sys
from pathlib import Path

import numpy as np
import sagemaker
from sagemaker.sklearn import SKLearn

HERE = Path(__file__).parent
session = sagemaker.Session()
bucket = session.default_bucket()
data = session.upload_data(sys.argv[1] if len(sys.argv) > 1 else str(HERE / "iris.csv"), bucket, "iris")
estimator = SKLearn(
    entry_point="train.py", source_dir=str(HERE / "code"), role=sagemaker.get_execution_role(), framework_version="1.2-1",
    instance_type="ml.m5.large", hyperparameters={"n-estimators": 50, "max-depth": 4}, output_path=f"s3://{bucket}/iris-models",
    metric_definitions=[{"Name": "validation:accuracy", "Regex": r"validation_accuracy=([0-9.]+)"}],
)
estimator.fit({"train": data})
job = estimator.latest_training_job.describe()
predictor = estimator.deploy(1, "ml.m5.large", entry_point="inference.py", source_dir=str(HERE / "code"))
rows = np.loadtxt(HERE / "iris.csv", delimiter=",")[::30]
found = predictor.predict(rows[:, 1:])
predictor.delete_model()
predictor.delete_endpoint()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"metrics": metrics, "truth": rows[:, 0].tolist(), "predicted": np.asarray(found).astype(float).tolist()}))

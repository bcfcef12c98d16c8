"""SDK v2: TensorFlow on two hosts with distribution multi_worker_mirrored_strategy; the SDK computes the image."""

import json
from pathlib import Path

import sagemaker
from sagemaker.tensorflow import TensorFlow

session = sagemaker.Session()
bucket = session.default_bucket()
estimator = TensorFlow(
    entry_point="train.py", source_dir=str(Path(__file__).parent / "code"), role=sagemaker.get_execution_role(),
    framework_version="2.19", py_version="py312", instance_type="ml.m5.large", instance_count=2, model_dir=False,
    distribution={"multi_worker_mirrored_strategy": {"enabled": True}}, output_path=f"s3://{bucket}/tensorflow",
    metric_definitions=[{"Name": "loss", "Regex": r"loss=([0-9.]+)"}],
)
estimator.fit()
job = estimator.latest_training_job.describe()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"image": estimator.training_image_uri(), "metrics": metrics, "model": estimator.model_data}))

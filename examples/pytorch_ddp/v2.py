"""SDK v2: data made by a processing job, then PyTorch on two hosts with distribution torch_distributed."""

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker.processing import ProcessingOutput, ScriptProcessor
from sagemaker.pytorch import PyTorch

CODE = str(Path(__file__).parent / "code")
session = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(), session.default_bucket()
# a newer version than the SDK knows the name of; for one that it knows, framework_version and py_version do
image = f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/pytorch-training:2.13.0-cpu-py311"
hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 2

maker = ScriptProcessor(image_uri=image, command=["python3"], role=role, instance_type="ml.m5.large", instance_count=1)
maker.run(code=f"{CODE}/make_data.py", outputs=[
    ProcessingOutput(source="/opt/ml/processing/output", destination=f"s3://{bucket}/spirals")])

estimator = PyTorch(
    entry_point="train.py", source_dir=CODE, image_uri=image, role=role, instance_type="ml.m5.large", instance_count=hosts,
    distribution={"torch_distributed": {"enabled": True}}, hyperparameters={"epochs": 20}, output_path=f"s3://{bucket}/ddp",
    metric_definitions=[{"Name": "train:loss", "Regex": r"train_loss=([0-9.]+)"}, {"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"}],
)
estimator.fit({"train": f"s3://{bucket}/spirals"})
job = estimator.latest_training_job.describe()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"job": job["TrainingJobName"], "metrics": metrics, "model": estimator.model_data}))

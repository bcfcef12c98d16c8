"""SDK v2: a tiny language model made on the spot, then fine-tuned to classify sentences; nothing comes from a hub."""

import json
from pathlib import Path

import sagemaker
from sagemaker.huggingface import HuggingFace

CODE = str(Path(__file__).parent / "code")
session = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(), session.default_bucket()
# AWS has this image for GPUs only; here a machine without one has a build for CPUs behind the same name
image = (
    f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/"
    "huggingface-pytorch-training:2.13.0-transformers5.23.0-gpu-py311-cu130-ubuntu22.04"
)
common = {
    "source_dir": CODE, "role": role, "image_uri": image, "py_version": "py311", "instance_type": "ml.m5.xlarge",
    "instance_count": 1, "output_path": f"s3://{bucket}/huggingface",
}
base = HuggingFace(entry_point="pretrain.py", **common)
base.fit()

tuned = HuggingFace(
    entry_point="finetune.py", hyperparameters={"epochs": 5, "learning-rate": 2e-3}, **common,
    metric_definitions=[{"Name": "eval:accuracy", "Regex": r"eval_accuracy=([0-9.]+)"}, {"Name": "loss", "Regex": r"'loss': '?([0-9.]+)"}],
)
tuned.fit({"model": base.model_data})
job = tuned.latest_training_job.describe()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"job": job["TrainingJobName"], "metrics": metrics, "model": tuned.model_data}))

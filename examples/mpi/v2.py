"""SDK v2: an MPI job on three hosts, two processes on each."""

import json
from pathlib import Path

import sagemaker
from sagemaker.pytorch import PyTorch

session = sagemaker.Session()
bucket = session.default_bucket()
estimator = PyTorch(
    entry_point="train.py", source_dir=str(Path(__file__).parent / "code"), role=sagemaker.get_execution_role(),
    image_uri=f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
    instance_type="ml.m5.large", instance_count=3, output_path=f"s3://{bucket}/mpi",
    distribution={"mpi": {"enabled": True, "processes_per_host": 2, "custom_mpi_options": "--NCCL_DEBUG WARN"}},
    metric_definitions=[{"Name": "error", "Regex": r"error=([0-9.]+)"}],
)
estimator.fit()
job = estimator.latest_training_job.describe()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"job": job["TrainingJobName"], "metrics": metrics, "model": estimator.model_data}))

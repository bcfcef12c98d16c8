"""SDK v3: the same script; ModelTrainer brings its own MPI driver. Six processes on three hosts."""

import json
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode
from sagemaker.train.distributed import MPI

session = Session()
bucket = session.default_bucket()
trainer = ModelTrainer(
    training_image=f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "code"), entry_script="train.py"),
    # the driver starts as many processes in all as are said to fit on one host; spread out, that is two on each
    distributed=MPI(process_count_per_node=6, mpi_additional_options=["--map-by", "node"]),
    compute=Compute(instance_type="ml.m5.large", instance_count=3), base_job_name="mpi-v3", role=get_execution_role(),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/mpi-v3"),
).with_metric_definitions([MetricDefinition(name="error", regex=r"error=([0-9.]+)")])
trainer.train()
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
print("\nRESULT " + json.dumps({"job": job.training_job_name, "metrics": metrics, "model": job.model_artifacts.s3_model_artifacts}))

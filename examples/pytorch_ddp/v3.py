"""SDK v3: the same script on two hosts; ModelTrainer brings its own torchrun driver."""

import json
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train.distributed import Torchrun

session = Session()
bucket = session.default_bucket()
trainer = ModelTrainer(
    training_image=f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "code"), entry_script="train.py"),
    distributed=Torchrun(process_count_per_node=1), compute=Compute(instance_type="ml.m5.large", instance_count=2),
    base_job_name="ddp-v3", role=get_execution_role(), hyperparameters={"epochs": 20},
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/ddp-v3"),
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=sys.argv[1] if len(sys.argv) > 1 else f"s3://{bucket}/spirals")])
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
print("\nRESULT " + json.dumps({"status": job.training_job_status, "model": job.model_artifacts.s3_model_artifacts}))

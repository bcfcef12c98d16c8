"""What a user of SDK v3 waits for: ModelTrainer.train."""

import sys
from pathlib import Path

from clock import Clock
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode

session = Session()
bucket, role = session.default_bucket(), get_execution_role()
image = f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-base-python:3.11"
clock = Clock(int(sys.argv[1]))
clock.measure("v3 ModelTrainer.train(), logs", lambda: ModelTrainer(
    training_image=image, source_code=SourceCode(source_dir=str(Path(__file__).parent / "src"), entry_script="one_second.py"),
    base_job_name="waits", role=role, compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/waits"),
).train())
clock.tell()

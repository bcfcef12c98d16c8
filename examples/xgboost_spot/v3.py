"""SDK v3: the same job by ModelTrainer; built-in XGBoost on spot capacity that is taken away twice, and once undisturbed."""

import hashlib
import io
import json
import tarfile

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import CheckpointConfig, OutputDataConfig, StoppingCondition, Tag
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

session = Session()
s3, bucket = boto3.client("s3"), session.default_bucket()
random = np.random.default_rng(7)
features = random.normal(size=(20_000, 10))
label = features[:, 0] * 3 + np.sin(features[:, 1] * 2) + random.normal(size=20_000) * 0.1
text = io.StringIO()
np.savetxt(text, np.column_stack([label, features]), delimiter=",", fmt="%.6f")
s3.put_object(Bucket=bucket, Key="spot-v3/train.csv", Body=text.getvalue())


def train(name: str, interruptions: str) -> TrainingJob:
    trainer = ModelTrainer(
        training_image=f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-xgboost:1.7-1",
        compute=Compute(instance_type="ml.m5.large", instance_count=1, enable_managed_spot_training=True),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600, max_wait_time_in_seconds=1200),
        checkpoint_config=CheckpointConfig(s3_uri=f"s3://{bucket}/spot-v3/checkpoints/{name}"), role=get_execution_role(), base_job_name=name,
        hyperparameters={"num_round": 600, "objective": "reg:squarederror", "max_depth": 6, "seed": 1, "tree_method": "hist"},
        tags=[Tag(key="sagewright:spot-interruptions", value=interruptions)] if interruptions else None,
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/spot-v3/models"),
    )
    data = InputData(channel_name="train", data_source=f"s3://{bucket}/spot-v3/train.csv", content_type="text/csv")
    trainer.train(input_data_config=[data])
    return TrainingJob.get(trainer._latest_training_job.training_job_name)


def trees(job: TrainingJob) -> bytes:
    """The model's bytes."""
    where = job.model_artifacts.s3_model_artifacts.removeprefix("s3://")
    archive = s3.get_object(Bucket=where.partition("/")[0], Key=where.partition("/")[2])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile("xgboost-model").read()


calm = train("calm", "")
rough = train("rough", "0.8 0.8")
print("\nRESULT " + json.dumps({
    "statuses": [t.status for t in rough.secondary_status_transitions], "same": trees(calm) == trees(rough), "model": hashlib.sha256(trees(rough)).hexdigest(),
    "rmse": {m.metric_name: m.value for m in rough.final_metric_data_list},
    "billable": rough.billable_time_in_seconds, "seconds": rough.training_time_in_seconds,
}))

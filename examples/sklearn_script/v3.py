"""SDK v3: the same script with its requirements.txt by ModelTrainer, deployed by the core resources."""

import io
import json
import sys
import tarfile
from pathlib import Path

import boto3
import numpy as np
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition, MetricDefinition, OutputDataConfig, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

HERE = Path(__file__).parent
session = Session()
bucket, role = session.default_bucket(), get_execution_role()
IMAGE = f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
data = session.upload_data(sys.argv[1] if len(sys.argv) > 1 else str(HERE / "iris.csv"), bucket, "iris-v3")
trainer = ModelTrainer(
    training_image=IMAGE, compute=Compute(instance_type="ml.m5.large", instance_count=1), role=role, base_job_name="iris-v3",
    source_code=SourceCode(source_dir=str(HERE / "code"), entry_script="train.py", requirements="requirements.txt"),
    hyperparameters={"n-estimators": 50, "max-depth": 4}, output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/iris-v3-models"),
).with_metric_definitions([MetricDefinition(name="validation:accuracy", regex=r"validation_accuracy=([0-9.]+)")])
trainer.train(input_data_config=[InputData(channel_name="train", data_source=data)])
job = TrainingJob.get(trainer._latest_training_job.training_job_name)

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add(HERE / "code", "")
boto3.client("s3").put_object(Bucket=bucket, Key="iris-v3-code/sourcedir.tar.gz", Body=archive.getvalue())
variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{bucket}/iris-v3-code/sourcedir.tar.gz"}
container = ContainerDefinition(image=IMAGE, model_data_url=job.model_artifacts.s3_model_artifacts, environment=variables)
model = Model.create(model_name="iris-v3", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(variant_name="AllTraffic", model_name="iris-v3", instance_type="ml.m5.large", initial_instance_count=1)
config = EndpointConfig.create(endpoint_config_name="iris-v3", production_variants=[variant])
endpoint = Endpoint.create(endpoint_name="iris-v3", endpoint_config_name="iris-v3")
endpoint.wait_for_status("InService")
rows = np.loadtxt(HERE / "iris.csv", delimiter=",")[::30]
body = io.BytesIO()
np.save(body, rows[:, 1:])
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="iris-v3", Body=body.getvalue(), ContentType="application/x-npy", Accept="application/x-npy"
)
found = np.load(io.BytesIO(answer["Body"].read()))
endpoint.delete()
config.delete()
model.delete()
metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
print("\nRESULT " + json.dumps({"metrics": metrics, "truth": rows[:, 0].tolist(), "predicted": found.astype(float).tolist()}))

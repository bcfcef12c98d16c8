"""The SageMaker Python SDK v3, as code for AWS: a training job of plain Python, and an endpoint by its resources."""

import json
import sys
import time
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

HERE = Path(__file__).parent
state = Path(sys.argv[1])
before = json.loads((state / "v2.json").read_text())
session, role = Session(), get_execution_role()
timings = {}


def timed(label, call):
    print(f"  {label} ...", flush=True)
    began = time.monotonic()
    result = call()
    timings[label] = time.monotonic() - began
    return result


trainer = ModelTrainer(
    training_image=f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-base-python:3.11",
    source_code=SourceCode(source_dir=str(HERE / "v3code"), entry_script="carriers.py"), base_job_name="carriers", role=role,
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{before['bucket']}/flights/v3"),
)
data = InputData(channel_name="train", data_source=before["train"])
timed("training job: ModelTrainer (SDK v3)", lambda: trainer.train(input_data_config=[data], logs=False))
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
assert job.training_job_status == "Completed", job.failure_reason

model = Model.create(
    model_name="flights-v3", execution_role_arn=role,
    primary_container=ContainerDefinition(image=before["image"], model_data_url=before["artifact"]),
)
config = EndpointConfig.create(endpoint_config_name="flights-v3", production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name="flights-v3", instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name="flights-v3", endpoint_config_name="flights-v3")
timed("deploy XGBoost (SDK v3 resources)", lambda: endpoint.wait_for_status("InService"))
answer = float(endpoint.invoke(body=before["row"].encode(), content_type="text/csv").body.read().decode().strip())
for one in (endpoint, config, model):
    one.delete()
(state / "v3.json").write_text(json.dumps({"timings": timings, "answer": answer}))

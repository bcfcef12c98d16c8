"""SDK v3: ModelBuilder puts a model on an endpoint of inference components."""

import io
import json
import tarfile
import time

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import InferenceComponent
from sagemaker.serve.model_builder import ModelBuilder, ResourceRequirements

CODE = b"""
def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return float(body)

def predict_fn(number, model):
    return number * model

def output_fn(found, accept):
    return str(found), "text/plain"
"""
session = Session()
bucket, name = session.default_bucket(), f"built-{int(time.time() * 1000)}"
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    info = tarfile.TarInfo("code/inference.py")
    info.size = len(CODE)
    tar.addfile(info, io.BytesIO(CODE))
boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

builder = ModelBuilder(
    image_uri=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    s3_model_data_url=f"s3://{bucket}/{name}/model.tar.gz", role_arn=get_execution_role(), instance_type="ml.m5.large",
    env_vars={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
)
builder.build(model_name=name)
endpoint = builder.deploy(
    endpoint_name=name, initial_instance_count=1, inference_component_name=f"{name}-part",  # without a name this SDK fails before it asks
    inference_config=ResourceRequirements(requests={"num_cpus": 1, "memory": 256, "copies": 1}),
)
part = InferenceComponent.get(f"{name}-part")
part.wait_for_status("InService", poll=1)
found = endpoint.invoke(body="21", content_type="text/csv", inference_component_name=f"{name}-part").body.read().decode()
part.delete()
part.wait_for_delete(poll=1)
endpoint.delete()
print("\nRESULT", json.dumps({"found": found}))

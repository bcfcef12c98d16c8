"""SDK v3: the same by its resources."""

import io
import json
import tarfile
import time

import boto3
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, InferenceExecutionConfig, ProductionVariant

CODE = """
import json

def model_fn(model_dir):
    return {}

def transform_fn(model, body, content_type, accept):
    return json.dumps([{} for value in json.loads(body)]), "application/json"
"""
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"kitchen-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def container(called, factor, result):
    """A container whose model is this factor."""
    archive, code = io.BytesIO(), CODE.format(factor, result).encode()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(code)
        tar.addfile(info, io.BytesIO(code))
    s3.put_object(Bucket=bucket, Key=f"{name}/{called}/model.tar.gz", Body=archive.getvalue())
    return ContainerDefinition(
        container_hostname=called, image=image, model_data_url=f"s3://{bucket}/{name}/{called}/model.tar.gz",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                     "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    )


model = Model.create(
    model_name=name, execution_role_arn=get_execution_role(), inference_execution_config=InferenceExecutionConfig(mode="Direct"),
    containers=[container("grams", 28.35, "value * model"), container("celsius", 32, "(value - model) / 1.8")],
)
EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def ask(values, **more):
    return json.loads(endpoint.invoke(body=json.dumps(values), content_type="application/json", **more).body.read())


answers = {called: ask([2, 212], target_container_hostname=called) for called in ("grams", "celsius")}
refused = []
for more in ({}, {"target_container_hostname": "litres"}):
    try:
        ask([1], **more)
    except ClientError as error:
        refused.append(error.response["Error"]["Code"])
mode = Model.get(name).inference_execution_config.mode
endpoint.delete()
model.delete()
print("\nRESULT " + json.dumps({"mode": mode, "answers": answers, "refused": refused}))

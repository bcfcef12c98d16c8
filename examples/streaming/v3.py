"""SDK v3: the same with an endpoint of its resources; words arrive while the model still thinks about the next."""

import io
import json
import tarfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import EventStreamError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

CODE = Path(__file__).parent / "code"
session, runtime = Session(), boto3.client("sagemaker-runtime")
bucket, name = session.default_bucket(), f"words-v3-{int(time.time() * 1000)}"
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add(CODE / "inference.py", "code/inference.py")
boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())
Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
))
EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def lines(**asked):
    """The answer's lines, each as soon as its last part is here."""
    # Endpoint.invoke_with_response_stream of SDK v3.27 takes the events for a dictionary and fails: its client does
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName=name, Body=json.dumps(asked), ContentType="application/json")
    assert answer["ContentType"] == "application/jsonlines"
    held = b""
    for event in answer["Body"]:
        held += event["PayloadPart"]["Bytes"]
        *whole, held = held.split(b"\n")
        yield from map(json.loads, whole)


said, behind = [], []
for part in lines(text="it was the best of times", pause=0.2):
    said.append(part["word"])
    behind.append(time.time() - part["at"])

before, broken = [], ""
try:
    for part in lines(text="well then FAIL never"):
        before += [part["word"]]
except EventStreamError as error:
    broken = error.response["Error"]["Code"]
endpoint.delete()
print("\nRESULT " + json.dumps({"said": said, "behind": max(behind), "before": before, "broken": broken}))

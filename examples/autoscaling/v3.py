"""SDK v3: an asynchronous endpoint that goes to zero instances when idle, and comes back by its backlog."""

import io
import json
import tarfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    AsyncInferenceClientConfig,
    AsyncInferenceConfig,
    AsyncInferenceOutputConfig,
    ContainerDefinition,
    ProductionVariant,
)
from scaling import Scaling

session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"scaled-v3-{int(time.time() * 1000)}"

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add(Path(__file__).parent / "code" / "inference.py", "code/inference.py")
s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
))
EndpointConfig.create(
    endpoint_config_name=name,
    production_variants=[ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)],
    async_inference_config=AsyncInferenceConfig(
        client_config=AsyncInferenceClientConfig(max_concurrent_invocations_per_instance=1),
        output_config=AsyncInferenceOutputConfig(s3_output_path=f"s3://{bucket}/{name}/answers"),
    ),
)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def ask(number):
    """Where the answer will be."""
    key = f"{name}/in/{number}.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=str(number))
    return endpoint.invoke_async(input_location=f"s3://{bucket}/{key}", content_type="text/csv").output_location


def answer(uri):
    where = urlsplit(uri)
    s3.get_waiter("object_exists").wait(Bucket=where.netloc, Key=where.path[1:], WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    return float(s3.get_object(Bucket=where.netloc, Key=where.path[1:])["Body"].read())


scaled = Scaling(name)
answer(ask(1))  # and now there is nothing to do
scaled.wait(0)
asked = [ask(number) for number in range(30)]
scaled.wait(2)
answers = [answer(one) for one in asked]
scaled.wait(0)
story = scaled.story()
scaled.close()
endpoint.delete()
print("\nRESULT", json.dumps({"answers": answers, "story": story}))

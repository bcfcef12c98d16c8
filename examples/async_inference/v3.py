"""SDK v3: an asynchronous endpoint by its resources. Answers come by S3; without instances, requests wait."""

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

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"houses-v3-{int(time.time() * 1000)}"

files = {"prices.json": json.dumps({"metre": 3000, "room": 5000}), "code/inference.py": (CODE / "inference.py").read_text()}
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    for path, text in files.items():
        info = tarfile.TarInfo(path)
        info.size = len(text.encode())
        tar.addfile(info, io.BytesIO(text.encode()))
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
        client_config=AsyncInferenceClientConfig(max_concurrent_invocations_per_instance=2),
        output_config=AsyncInferenceOutputConfig(s3_output_path=f"s3://{bucket}/{name}/answers", s3_failure_path=f"s3://{bucket}/{name}/failures"),
    ),
)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def ask(house):
    """Where the answer, or why there is none, will be."""
    key = f"{name}/in/{house.replace(',', '-')}.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=house)
    said = endpoint.invoke_async(input_location=f"s3://{bucket}/{key}", content_type="text/csv")
    return said.output_location, said.failure_location


def answer(uri):
    where = urlsplit(uri)
    s3.get_waiter("object_exists").wait(Bucket=where.netloc, Key=where.path[1:], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return s3.get_object(Bucket=where.netloc, Key=where.path[1:])["Body"].read().decode()


def scale(count):
    # SDK v3 leaves a count of 0 out of what it sends
    boto3.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}])
    endpoint.wait_for_status("InService")


waited = json.loads(answer(ask("100,4")[0]))
several = [ask(f"{metres},1")[0] for metres in (50, 60, 70)]
prices = [json.loads(answer(one)) for one in several]
failure = answer(ask("large,many")[1])
scale(0)
later = ask("80,2")[0]
scale(1)
woken = json.loads(answer(later))
endpoint.delete()
print("RESULT", json.dumps({"waited": waited, "prices": prices, "failure": failure, "woken": woken}))

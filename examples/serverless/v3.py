"""SDK v3: the same by its resources: a serverless endpoint sleeps, wakes, gets another concurrency, then instances."""

import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    DesiredWeightAndCapacity,
    ProductionVariant,
    ProductionVariantServerlessUpdateConfig,
)

CODE = Path(__file__).parent / "code"
session = Session()
bucket, name = session.default_bucket(), f"houses-v3-{int(time.time() * 1000)}"

files = {"prices.json": json.dumps({"metre": 3000, "room": 5000}), "code/inference.py": (CODE / "inference.py").read_text()}
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    for path, text in files.items():
        info = tarfile.TarInfo(path)
        info.size = len(text.encode())
        tar.addfile(info, io.BytesIO(text.encode()))
boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={
        "SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "SAGEWRIGHT_SERVERLESS_IDLE": "1",  # seconds until it sleeps; AWS, which decides that itself, ignores it
    },
))
# SDK v3 spells MemorySizeInMB another way than the API when it sends it
boto3.client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=[
    {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 4}}])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def ask(*houses):
    body = "\n".join(f"{metres},{rooms}" for metres, rooms in houses)
    return json.loads(endpoint.invoke(body=body, content_type="text/csv").body.read())


awake = ask((100, 4))
time.sleep(2)
woken = ask((50, 1))
time.sleep(2)
with ThreadPoolExecutor(8) as pool:
    burst = [found[0] for found in pool.map(lambda metres: ask((metres, 1)), range(10, 90, 10))]

endpoint.update_weights_and_capacities(desired_weights_and_capacities=[DesiredWeightAndCapacity(
    variant_name="AllTraffic",
    serverless_update_config=ProductionVariantServerlessUpdateConfig(max_concurrency=5, provisioned_concurrency=1),
)])
endpoint.wait_for_status("InService")
endpoint.refresh()
given = endpoint.production_variants[0].current_serverless_config
config = {
    "MemorySizeInMB": given.memory_size_in_mb, "MaxConcurrency": given.max_concurrency,
    "ProvisionedConcurrency": given.provisioned_concurrency,
}

EndpointConfig.create(endpoint_config_name=f"{name}-instances", production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)])
endpoint.endpoint_config_name = f"{name}-instances"
endpoint.update()
endpoint.wait_for_status("InService")
endpoint.refresh()
instances = endpoint.production_variants[0].current_instance_count
with_instances = ask((100, 4))
endpoint.delete()
print("\nRESULT", json.dumps({
    "awake": awake, "woken": woken, "burst": burst, "config": config, "instances": instances, "with_instances": with_instances,
}))

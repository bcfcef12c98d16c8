"""SDK v3: two models share an endpoint's instances, by its resources; one gets a new version batch by batch."""

import io
import json
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceComponent
from sagemaker.core.shapes import (
    InferenceComponentCapacitySize,
    InferenceComponentComputeResourceRequirements,
    InferenceComponentContainerSpecification,
    InferenceComponentDeploymentConfig,
    InferenceComponentRollingUpdatePolicy,
    InferenceComponentRuntimeConfig,
    InferenceComponentSchedulingConfig,
    InferenceComponentSpecification,
    ProductionVariant,
    ProductionVariantManagedInstanceScaling,
)

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"cities-v3-{int(time.time() * 1000)}"
IMAGE = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def specification(city, prices):
    """A model of one city's prices, and what a copy of it needs."""
    files = {"prices.json": json.dumps(prices), "code/inference.py": (CODE / "inference.py").read_text()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    key = f"{name}/{city}/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    return InferenceComponentSpecification(
        container=InferenceComponentContainerSpecification(
            image=IMAGE, artifact_url=f"s3://{bucket}/{key}",
            environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
        ),
        compute_resource_requirements=InferenceComponentComputeResourceRequirements(number_of_cpu_cores_required=1, min_memory_required_in_mb=256),
        scheduling_config=InferenceComponentSchedulingConfig(placement_strategy="SPREAD"),
    )


EndpointConfig.create(
    endpoint_config_name=name, execution_role_arn=get_execution_role(),
    production_variants=[ProductionVariant(
        variant_name="AllTraffic", instance_type="ml.m5.large", initial_instance_count=1,
        managed_instance_scaling=ProductionVariantManagedInstanceScaling(status="ENABLED", min_instance_count=1, max_instance_count=2),
    )],
)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def component(city, prices, copies):
    made = InferenceComponent.create(
        inference_component_name=f"{name}-{city}", endpoint_name=name, variant_name="AllTraffic", specification=specification(city, prices),
        runtime_config=InferenceComponentRuntimeConfig(copy_count=copies),
    )
    made.wait_for_status("InService", poll=1)
    return made


def ask(city):
    answer = endpoint.invoke(body="100,4", content_type="text/csv", inference_component_name=f"{name}-{city}")
    return json.loads(answer.body.read())


rome = component("rome", {"metre": 3000, "room": 5000}, copies=1)
oslo = component("oslo", {"metre": 7000, "room": 1000}, copies=2)
prices = [ask(city) for city in ("rome", "oslo")]
endpoint.refresh()
grown = endpoint.production_variants[0].current_instance_count

oslo.update(
    specification=specification("oslo-2", {"metre": 8000, "room": 1000}),
    deployment_config=InferenceComponentDeploymentConfig(rolling_update_policy=InferenceComponentRollingUpdatePolicy(
        maximum_batch_size=InferenceComponentCapacitySize(type="COPY_COUNT", value=1), wait_interval_in_seconds=1)),  # SDK v3 leaves a 0 out
)
oslo.wait_for_status("InService", poll=1)
again = ask("oslo")
oslo.refresh()
scaled = [oslo.runtime_config.desired_copy_count, oslo.runtime_config.current_copy_count]

for one in (rome, oslo):
    one.delete()
    one.wait_for_delete(poll=1)
endpoint.delete()
print("\nRESULT", json.dumps({"prices": prices, "instances": grown, "scaled": scaled, "again": again}))

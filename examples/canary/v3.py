"""SDK v3: the same by its resources. A tenth of the requests go to a model that fails, until an alarm takes the update back."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    Alarm,
    AutoRollbackConfig,
    BlueGreenUpdatePolicy,
    CapacitySize,
    ContainerDefinition,
    DeploymentConfig,
    ProductionVariant,
    TrafficRoutingConfig,
)

PERIOD = int(sys.argv[1]) if len(sys.argv) > 1 else 60
"""Seconds of the alarm's period."""
CODE = Path(__file__).parent / "code"
session, cloudwatch = Session(), boto3.client("cloudwatch")
bucket, name = session.default_bucket(), f"houses-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def configured(version: str) -> str:
    """A model with another script, and an endpoint configuration of it."""
    files = {"prices.json": json.dumps({"metre": 3000, "room": 5000}), "code/inference.py": (CODE / f"{version}.py").read_text()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    called, key = f"{name}-{version}", f"{name}/{version}/model.tar.gz"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    Model.create(model_name=called, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
        image=image, model_data_url=f"s3://{bucket}/{key}",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                     "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    ))
    EndpointConfig.create(endpoint_config_name=called, production_variants=[
        ProductionVariant(variant_name="AllTraffic", model_name=called, instance_type="ml.m5.large", initial_instance_count=1)])
    return called


good, bad = configured("good"), configured("bad")
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=good)
endpoint.wait_for_status("InService")
cloudwatch.put_metric_alarm(
    AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocation5XXErrors", Statistic="Average", Threshold=0.1,
    ComparisonOperator="GreaterThanThreshold", Period=PERIOD, EvaluationPeriods=1, TreatMissingData="notBreaching",
    Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"},
                {"Name": "EndpointConfigName", "Value": bad}],
)

endpoint.endpoint_config_name = bad
endpoint.update(deployment_config=DeploymentConfig(
    blue_green_update_policy=BlueGreenUpdatePolicy(
        traffic_routing_configuration=TrafficRoutingConfig(
            type="CANARY", canary_size=CapacitySize(type="CAPACITY_PERCENT", value=10), wait_interval_in_seconds=600,
        ),
        termination_wait_in_seconds=60, maximum_execution_timeout_in_seconds=1800,
    ),
    auto_rollback_configuration=AutoRollbackConfig(alarms=[Alarm(alarm_name=name)]),
))


def price(metres: int, rooms: int) -> int:
    answer = endpoint.invoke(body=json.dumps({"metres": metres, "rooms": rooms}), content_type="application/json")
    return json.loads(answer.body.read())["price"]


statuses, stages, answered, failed = [], [], 0, 0
client = boto3.client("sagemaker")
while True:  # what users do meanwhile
    about = client.describe_endpoint(EndpointName=name)
    if about["EndpointStatus"] not in statuses[-1:]:
        statuses.append(about["EndpointStatus"])
    for variant in about.get("PendingDeploymentSummary", {}).get("ProductionVariants", []):
        stages += [stage["Status"] for stage in reversed(variant["VariantStatus"]) if stage["Status"] not in stages]
    if about["EndpointStatus"] == "InService":
        break
    for _ in range(10):
        try:
            assert price(100, 4) == 320_000
            answered += 1
        except ClientError as error:
            if error.response["Error"]["Code"] != "ModelError":
                raise
            failed += 1
    time.sleep(0.2)
endpoint.refresh()
after = [price(50, 2) for _ in range(20)]
endpoint.delete()
cloudwatch.delete_alarms(AlarmNames=[name])
print("\nRESULT " + json.dumps({
    "statuses": statuses, "stages": stages, "serves": "good" if endpoint.endpoint_config_name == good else "bad",
    "reason": endpoint.failure_reason, "answered": answered, "failed": failed, "after": after,
}))

"""SDK v3: the same by its resources. Capture begins with the endpoint and goes elsewhere by an update."""

import io
import json
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    CaptureContentTypeHeader,
    CaptureOption,
    ContainerDefinition,
    DataCaptureConfig,
    DataCaptureConfigSummary,
    ProductionVariant,
    VariantProperty,
)

session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"captured-v3-{int(time.time() * 1000)}"
code = (Path(__file__).parent / "code" / "inference.py").read_bytes()
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    info = tarfile.TarInfo("code/inference.py")
    info.size = len(code)
    tar.addfile(info, io.BytesIO(code))
s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())
Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
))


def configured(called, percentage, place, *modes):
    EndpointConfig.create(
        endpoint_config_name=called,
        production_variants=[ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)],
        **({"data_capture_config": DataCaptureConfig(
            enable_capture=True, initial_sampling_percentage=percentage, destination_s3_uri=f"s3://{bucket}/{name}/{place}",
            capture_options=[CaptureOption(capture_mode=mode) for mode in modes],
            capture_content_type_header=CaptureContentTypeHeader(csv_content_types=["text/csv"], json_content_types=["application/json"]),
        )} if modes else {}),  # the SDK leaves out what is false: enable_capture=False would say nothing
    )
    return called


def captured(place, count):
    """The lines below a place, once there are so many."""
    while True:  # delivery takes a moment
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/{place}/").get("Contents", [])]
        lines = [json.loads(line) for key in keys for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()]
        if len(lines) >= count:
            return lines
        time.sleep(0.1)


def status():
    about = Endpoint.get(name).data_capture_config
    if not isinstance(about, DataCaptureConfigSummary):
        return None
    return [about.enable_capture, about.capture_status, about.current_sampling_percentage, about.destination_s3_uri.rsplit("/", 1)[1]]


def update(config, **more):
    endpoint.endpoint_config_name = config
    endpoint.update(**more)
    endpoint.wait_for_status("InService")
    statuses.append(status())


endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=configured(name, 100, "captured", "Input", "Output"))
endpoint.wait_for_status("InService")
statuses = [status()]
for number in range(5):
    endpoint.invoke(body=f"{100 + number},4", content_type="text/csv", accept="application/json", inference_id=f"house-{number}")
first = captured("captured", 5)
update(configured(f"{name}-off", 0, ""))
endpoint.invoke(body="1,1", content_type="text/csv", accept="application/json")
update(
    configured(f"{name}-again", 100, "again", "Output"), retain_all_variant_properties=True,
    exclude_retained_variant_properties=[VariantProperty(variant_property_type="DataCaptureConfig")],
)
endpoint.invoke(body="50,2", content_type="text/csv", accept="application/json")
again = captured("again", 1)
update(configured(f"{name}-kept", 20, "elsewhere", "Output"), retain_all_variant_properties=True)
kept = len(captured("captured", 5))
endpoint.delete()
print("\nRESULT " + json.dumps({
    "statuses": statuses, "kept": kept,
    "first": [[line["captureData"]["endpointInput"]["data"], line["captureData"]["endpointOutput"]["data"], line["eventMetadata"]["inferenceId"]] for line in first],
    "again": [sorted(line["captureData"]) for line in again],
}))

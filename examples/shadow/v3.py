"""SDK v3: the same by its resources. A new model is tried beside the old one, compared with it, and takes over."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceExperiment, Model
from sagemaker.core.shapes import (
    CaptureContentTypeHeader,
    ContainerDefinition,
    InferenceExperimentDataStorageConfig,
    ModelInfrastructureConfig,
    ModelVariantConfig,
    ProductionVariant,
    RealTimeInferenceConfig,
    ShadowModeConfig,
    ShadowModelVariantConfig,
)

sys.path.insert(0, str(Path(__file__).parent))
from compare import metrics, pairs

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"shadow-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")
for script in ("old", "new"):
    code = (CODE / f"{script}.py").read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(code)
        tar.addfile(info, io.BytesIO(code))
    s3.put_object(Bucket=bucket, Key=f"{name}/{script}/model.tar.gz", Body=archive.getvalue())
    Model.create(model_name=f"{name}-{script}", execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
        image=image, model_data_url=f"s3://{bucket}/{name}/{script}/model.tar.gz",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                     "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    ))
EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name="old", model_name=f"{name}-old", instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")


def price(rooms):
    answer = endpoint.invoke(body=json.dumps({"metres": 100, "rooms": rooms}), content_type="application/json")
    return json.loads(answer.body.read())["price"]


experiment = InferenceExperiment.create(
    name=name, type="ShadowMode", role_arn=get_execution_role(), endpoint_name=name,
    model_variants=[ModelVariantConfig(model_name=f"{name}-new", variant_name="new", infrastructure_config=ModelInfrastructureConfig(
        infrastructure_type="RealTimeInference",
        real_time_inference_config=RealTimeInferenceConfig(instance_type="ml.m5.large", instance_count=1)))],
    shadow_mode_config=ShadowModeConfig(source_model_variant_name="old", shadow_model_variants=[
        ShadowModelVariantConfig(shadow_model_variant_name="new", sampling_percentage=100)]),
    data_storage_config=InferenceExperimentDataStorageConfig(
        destination=f"s3://{bucket}/{name}/captured", content_type=CaptureContentTypeHeader(json_content_types=["application/json"])),
)
experiment.wait_for_status("Running")
statuses = [experiment.status]
during = [price(rooms) for rooms in range(1, 7)]
while len(compared := pairs(bucket, f"{name}/captured", name, "old", "new")) < 6 or not metrics(name, "new")["requests"]:
    time.sleep(0.2)  # captured data and metrics are delivered a moment later
different = sorted(json.loads(asked)["rooms"] for asked, old, new in compared if json.loads(old) != json.loads(new))
measured = {variant: metrics(name, variant) for variant in ("old", "new")}

# the resource's own stop() has no argument for what becomes of the variants
boto3.client("sagemaker").stop_inference_experiment(Name=name, ModelVariantActions={"old": "Remove", "new": "Promote"}, Reason="rooms count")
experiment.wait_for_status("Completed")
statuses.append(experiment.status)
after = price(4)
endpoint.delete()
experiment.delete()
print("\nRESULT " + json.dumps({"statuses": statuses, "during": during, "different": different, "measured": measured, "after": after}))

"""SDK v3: the same by its resources: shared 3 to 1, asked by name, shifted to one, scaled out."""

import io
import json
import tarfile
import time
from collections import Counter
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, DesiredWeightAndCapacity, ProductionVariant

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"houses-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")
for script in ("cheap", "dear"):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(CODE / f"{script}.py", "code/inference.py")
    s3.put_object(Bucket=bucket, Key=f"{name}-{script}/model.tar.gz", Body=archive.getvalue())
    Model.create(model_name=f"{name}-{script}", execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
        image=image, model_data_url=f"s3://{bucket}/{name}-{script}/model.tar.gz",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    ))

EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name=script, model_name=f"{name}-{script}", instance_type="ml.m5.large", initial_instance_count=1,
                      initial_variant_weight=weight)
    for script, weight in (("cheap", 3.0), ("dear", 1.0))
])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")
house = json.dumps({"metres": 100, "rooms": 4})


def asked(times, **more):
    found = Counter()
    for _ in range(times):
        answer = endpoint.invoke(body=house, content_type="application/json", **more)
        by = json.loads(answer.body.read())["by"]
        assert answer.invoked_production_variant == by
        found[by] += 1
    return dict(found)


def settled():
    endpoint.wait_for_status("InService")
    endpoint.refresh()
    return {v.variant_name: [v.current_weight, v.current_instance_count] for v in endpoint.production_variants}


shared, named = asked(40), asked(5, target_variant="dear")
# SDK v3 leaves a weight of 0 out of what it sends
boto3.client("sagemaker").update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[
    {"VariantName": "cheap", "DesiredWeight": 0}, {"VariantName": "dear", "DesiredWeight": 1}])
shifted, after = settled(), asked(10)
endpoint.update_weights_and_capacities([DesiredWeightAndCapacity(variant_name="dear", desired_instance_count=2)])
scaled = settled()
endpoint.delete()
print("\nRESULT " + json.dumps({
    "shared": shared, "named": named, "shifted": shifted, "after": after, "scaled": scaled,
}))

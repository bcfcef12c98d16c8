"""SDK v3: the same by its resources: Model, EndpointConfig and Endpoint."""

import io
import json
import tarfile
import time
from pathlib import Path

import boto3
import numpy as np
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"houses-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def configured(script, count):
    """A model with this script, and an endpoint configuration of it."""
    files = {"prices.json": json.dumps({"metre": 3000, "room": 5000}), "code/inference.py": (CODE / script).read_text()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    called = f"{name}-{script[:-3]}"
    s3.put_object(Bucket=bucket, Key=f"{called}/model.tar.gz", Body=archive.getvalue())
    Model.create(model_name=called, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
        image=image, model_data_url=f"s3://{bucket}/{called}/model.tar.gz",
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    ))
    return EndpointConfig.create(endpoint_config_name=called, production_variants=[
        ProductionVariant(variant_name="AllTraffic", model_name=called, instance_type="ml.m5.large", initial_instance_count=count)])


def npy(rows):
    out = io.BytesIO()
    np.save(out, np.array(rows))
    return out.getvalue()


endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=configured("cheap.py", 1).endpoint_config_name)
endpoint.wait_for_status("InService")
houses = [[100, 4], [50, 2]]


def ask(body, kind):
    answer = endpoint.invoke(body=body, content_type=kind, accept=kind)
    assert answer.content_type == kind
    return answer.body.read()


answers = {
    "csv": [float(line) for line in ask("\n".join(f"{a},{b}" for a, b in houses), "text/csv").decode().split()],
    "json": json.loads(ask(json.dumps(houses), "application/json")),
    "npy": np.load(io.BytesIO(ask(npy(houses), "application/x-npy"))).tolist(),
}
try:
    ask(json.dumps([["large", "many"]]), "application/json")
    error = {}
except ClientError as refused:
    error = {"code": refused.response["Error"]["Code"], "status": refused.response["OriginalStatusCode"]}

endpoint.endpoint_config_name = configured("dear.py", 2).endpoint_config_name
endpoint.update()
endpoint.wait_for_status("InService")
after = json.loads(ask(json.dumps(houses), "application/json"))
endpoint.refresh()
endpoint.delete()
print("\nRESULT " + json.dumps({
    "answers": answers, "error": error, "after": after, "instances": endpoint.production_variants[0].current_instance_count,
}))

"""SDK v3: the same by its resources: 1,000 shops, a model each, one endpoint; each archive brings its script."""

import concurrent.futures
import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

SHOPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
SCRIPT = (Path(__file__).parent / "code" / "inference.py").read_bytes()
session = Session()
bucket, name = session.default_bucket(), f"shops-v3-{int(time.time() * 1000)}"


def archive(shop):
    """One shop's model and the code that serves it, in a tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        content = json.dumps({"shop": shop, "base": 100 + shop, "trend": 0.5}).encode()
        for path, data in (("shop.json", content), ("code/inference.py", SCRIPT)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


s3 = boto3.client("s3", config=Config(max_pool_connections=16))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"{name}/shop-{n}.tar.gz", Body=archive(n)), range(SHOPS)))

Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    mode="MultiModel", model_data_url=f"s3://{bucket}/{name}/", environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
))
EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")

runtime = boto3.client("sagemaker-runtime", config=Config(max_pool_connections=16))


def ask(shop):
    """What the shop's model says; seconds that it took."""
    began = time.perf_counter()
    answer = runtime.invoke_endpoint(
        EndpointName=name, TargetModel=f"shop-{shop}.tar.gz", ContentType="application/json", Accept="application/json", Body="[0, 2]")
    found = json.loads(answer["Body"].read())
    assert found == {"shop": shop, "sales": [100.0 + shop, 101.0 + shop]}, found
    return time.perf_counter() - began


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    cold = sorted(pool.map(ask, range(SHOPS)))
    warm = sorted(pool.map(ask, range(0, SHOPS, 10)))
answer = endpoint.invoke(body="[1]", content_type="application/json", accept="application/json", target_model=f"shop-{SHOPS - 1}.tar.gz")
by_sdk = json.loads(answer.body.read())
endpoint.delete()
print("\nRESULT " + json.dumps({
    "answered": len(cold) + len(warm), "by_sdk": by_sdk,
    "cold_ms": round(1000 * cold[SHOPS // 2], 1), "warm_ms": round(1000 * warm[len(warm) // 2], 1),
}))

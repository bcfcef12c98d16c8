"""SDK v2: a model for each of 1,000 shops behind one endpoint. Each is loaded when it is first asked for."""

import concurrent.futures
import io
import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import boto3
import sagemaker
from botocore.config import Config
from sagemaker.deserializers import JSONDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

SHOPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
bucket, name = session.default_bucket(), sagemaker.utils.unique_name_from_base("shops")


def archive(shop):
    """One shop's model: shop.json in a tar.gz."""
    out, content = io.BytesIO(), json.dumps({"shop": shop, "base": 100 + shop, "trend": 0.5}).encode()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("shop.json")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


s3 = boto3.client("s3", config=Config(max_pool_connections=16))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"{name}/shop-{n}.tar.gz", Body=archive(n)), range(SHOPS - 1)))

model = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", sagemaker_session=session, model_server_workers=2,
)
many = MultiDataModel(name, f"s3://{bucket}/{name}/", model=model, sagemaker_session=session)
many.deploy(1, "ml.m5.large")
predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())

with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:  # one more, while the endpoint is up
    file.write(archive(SHOPS - 1))
    file.flush()
    many.add_model(file.name, f"shop-{SHOPS - 1}.tar.gz")
listed = len(list(many.list_models()))

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
by_sdk = predictor.predict([1], target_model=f"shop-{SHOPS - 1}.tar.gz")
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "listed": listed, "answered": len(cold) + len(warm), "by_sdk": by_sdk,
    "cold_ms": round(1000 * cold[SHOPS // 2], 1), "warm_ms": round(1000 * warm[len(warm) // 2], 1),
}))

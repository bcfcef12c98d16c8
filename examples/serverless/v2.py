"""SDK v2: a serverless endpoint. It sleeps while nobody asks; then its concurrency changes, and it gets instances of its own."""

import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
client, boto = session.sagemaker_client, session.boto_session
name, bucket = sagemaker.utils.unique_name_from_base("houses"), session.default_bucket()

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    prices = json.dumps({"metre": 3000, "room": 5000}).encode()
    info = tarfile.TarInfo("prices.json")
    info.size = len(prices)
    tar.addfile(info, io.BytesIO(prices))
boto.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

model = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", name=name, sagemaker_session=session,
    env={"SAGEWRIGHT_SERVERLESS_IDLE": "1"},  # seconds until it sleeps; AWS, which decides that itself, ignores it
)
predictor = model.deploy(
    endpoint_name=name, serializer=CSVSerializer(), deserializer=JSONDeserializer(),
    serverless_inference_config=ServerlessInferenceConfig(memory_size_in_mb=1024, max_concurrency=4),
)
awake = predictor.predict([[100, 4]])
time.sleep(2)
woken = predictor.predict([[50, 1]])
time.sleep(2)
with ThreadPoolExecutor(8) as pool:
    burst = [found[0] for found in pool.map(lambda metres: predictor.predict([[metres, 1]]), range(10, 90, 10))]

client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[
    {"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 5, "ProvisionedConcurrency": 1}}])
session.wait_for_endpoint(name, poll=1)
config = client.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentServerlessConfig"]

predictor.update_endpoint(initial_instance_count=1, instance_type="ml.m5.large")
instances = client.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentInstanceCount"]
with_instances = predictor.predict([[100, 4]])
predictor.delete_endpoint()
print("\nRESULT", json.dumps({
    "awake": awake, "woken": woken, "burst": burst, "config": config, "instances": instances, "with_instances": with_instances,
}))

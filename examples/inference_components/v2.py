"""SDK v2: two models share an endpoint's instances, each with copies, cores and memory of its own."""

import io
import json
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
client, s3 = session.sagemaker_client, session.boto_session.client("s3")
name, bucket = sagemaker.utils.unique_name_from_base("cities"), session.default_bucket()


def model(city, prices):
    """A model of one city's prices."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("prices.json")
        data = json.dumps(prices).encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    key = f"{name}/{city}/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    return SKLearnModel(
        model_data=f"s3://{bucket}/{key}", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"), predictor_cls=Predictor,
        framework_version="1.2-1", name=f"{name}-{city}", sagemaker_session=session, model_server_workers=1,
    )


def deploy(city, prices, copies):
    """The first call makes the endpoint, later ones put their models on it."""
    return model(city, prices).deploy(
        initial_instance_count=1, instance_type="ml.m5.large", endpoint_name=name, endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
        inference_component_name=f"{name}-{city}", serializer=CSVSerializer(), deserializer=JSONDeserializer(),
        resources=ResourceRequirements(requests={"num_cpus": 1, "memory": 256, "copies": copies}, limits={"memory": 1024}),
        managed_instance_scaling={"MinInstanceCount": 1, "MaxInstanceCount": 2},
    )


def instances():
    return client.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentInstanceCount"]


rome = deploy("rome", {"metre": 3000, "room": 5000}, copies=1)
oslo = deploy("oslo", {"metre": 7000, "room": 1000}, copies=2)
prices = [city.predict([[100, 4]]) for city in (rome, oslo)]
grown = instances()  # three copies of a core each do not fit on the two of an instance

client.update_inference_component_runtime_config(InferenceComponentName=f"{name}-oslo", DesiredRuntimeConfig={"CopyCount": 1})
session.wait_for_inference_component(f"{name}-oslo", poll=1)
scaled = session.describe_inference_component(f"{name}-oslo")["RuntimeConfig"]
again = oslo.predict([[100, 4]])

for city in ("rome", "oslo"):
    session.delete_inference_component(f"{name}-{city}", wait=True)
session.delete_endpoint(name)
print("\nRESULT", json.dumps({
    "prices": prices, "instances": grown, "scaled": [scaled["DesiredCopyCount"], scaled["CurrentCopyCount"]], "again": again,
}))

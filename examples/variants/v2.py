"""SDK v2: two models share an endpoint's requests, 3 to 1. One is asked by name; the other's weight goes to nothing; one is scaled out."""

import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.session import production_variant
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
client, name = session.sagemaker_client, sagemaker.utils.unique_name_from_base("houses")
archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()
session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=f"{name}/model.tar.gz", Body=archive.getvalue())
for script in ("cheap", "dear"):
    SKLearnModel(
        model_data=f"s3://{session.default_bucket()}/{name}/model.tar.gz", role=sagemaker.get_execution_role(),
        entry_point=str(CODE / f"{script}.py"), framework_version="1.2-1", name=f"{name}-{script}", sagemaker_session=session,
        model_server_workers=1,
    ).create(instance_type="ml.m5.large")

session.endpoint_from_production_variants(name, [
    production_variant(f"{name}-cheap", "ml.m5.large", variant_name="cheap", initial_weight=3),
    production_variant(f"{name}-dear", "ml.m5.large", variant_name="dear", initial_weight=1),
])
predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
house = {"metres": 100, "rooms": 4}


def asked(times, **more):
    return dict(Counter(predictor.predict(house, **more)["by"] for _ in range(times)))


def settled():
    session.wait_for_endpoint(name)
    return {v["VariantName"]: [v["CurrentWeight"], v["CurrentInstanceCount"]] for v in client.describe_endpoint(EndpointName=name)["ProductionVariants"]}


shared, named = asked(40), asked(5, target_variant="dear")
client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[
    {"VariantName": "cheap", "DesiredWeight": 0}, {"VariantName": "dear", "DesiredWeight": 1}])
shifted, after = settled(), asked(10)
client.update_endpoint_weights_and_capacities(
    EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "dear", "DesiredInstanceCount": 2}])
scaled = settled()
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "shared": shared, "named": named, "shifted": shifted, "after": after, "scaled": scaled,
}))

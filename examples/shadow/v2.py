"""SDK v2: a new model is tried beside the old one for a while. Its answers are compared with the old one's, then it takes over."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.session import production_variant
from sagemaker.sklearn import SKLearnModel

sys.path.insert(0, str(Path(__file__).parent))
from compare import metrics, pairs

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
client, name, bucket = session.sagemaker_client, sagemaker.utils.unique_name_from_base("shadow"), session.default_bucket()
archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()
session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())
for script in ("old", "new"):
    SKLearnModel(
        model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / f"{script}.py"),
        framework_version="1.2-1", name=f"{name}-{script}", sagemaker_session=session, model_server_workers=1,
    ).create(instance_type="ml.m5.large")
session.endpoint_from_production_variants(name, [production_variant(f"{name}-old", "ml.m5.large", variant_name="old")])
predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())

client.create_inference_experiment(
    Name=name, Type="ShadowMode", RoleArn=sagemaker.get_execution_role(), EndpointName=name,
    ModelVariants=[{"ModelName": f"{name}-new", "VariantName": "new", "InfrastructureConfig": {
        "InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}}],
    ShadowModeConfig={"SourceModelVariantName": "old",
                      "ShadowModelVariants": [{"ShadowModelVariantName": "new", "SamplingPercentage": 100}]},
    DataStorageConfig={"Destination": f"s3://{bucket}/{name}/captured", "ContentType": {"JsonContentTypes": ["application/json"]}},
)


def until(*states):
    while (about := client.describe_inference_experiment(Name=name))["Status"] not in states:
        time.sleep(0.1)
    return about["Status"]


statuses = [until("Running", "Cancelled")]
during = [predictor.predict({"metres": 100, "rooms": rooms})["price"] for rooms in range(1, 7)]
while len(compared := pairs(bucket, f"{name}/captured", name, "old", "new")) < 6 or not metrics(name, "new")["requests"]:
    time.sleep(0.2)  # captured data and metrics are delivered a moment later
different = sorted(json.loads(asked)["rooms"] for asked, old, new in compared if json.loads(old) != json.loads(new))
measured = {variant: metrics(name, variant) for variant in ("old", "new")}

client.stop_inference_experiment(Name=name, ModelVariantActions={"old": "Remove", "new": "Promote"}, DesiredState="Completed", Reason="rooms count")
statuses.append(until("Completed", "Cancelled"))
after = predictor.predict({"metres": 100, "rooms": 4})["price"]
predictor.delete_endpoint()
client.delete_inference_experiment(Name=name)
print("\nRESULT " + json.dumps({"statuses": statuses, "during": during, "different": different, "measured": measured, "after": after}))

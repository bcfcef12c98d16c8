"""SDK v2: which instance type, and how many processes on it, serve a model best; then deployed as recommended."""

import io
import json
import sys
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.inference_recommender.inference_recommender_mixin import Phase
from sagemaker.parameter import CategoricalParameter
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 120
"""Of each phase of a load test."""
CODE = Path(__file__).parent / "code"
HOUSE = {"metres": 80, "rooms": 3}
session = sagemaker.Session()
name, bucket = sagemaker.utils.unique_name_from_base("sizes"), session.default_bucket()
s3 = session.boto_session.client("s3")


def packed(**files: str) -> bytes:
    """A tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=packed())
s3.put_object(Bucket=bucket, Key=f"{name}/payload.tar.gz", Body=packed(**{"house.json": json.dumps(HOUSE)}))
model = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", name=name, sagemaker_session=session,
)
model.right_size(
    sample_payload_url=f"s3://{bucket}/{name}/payload.tar.gz", supported_content_types=["application/json"], job_name=name,
    job_duration_in_seconds=3600, framework="SAGEMAKER-SCIKIT-LEARN",
    hyperparameter_ranges=[{
        "instance_types": CategoricalParameter(["ml.t2.medium"]), "SAGEMAKER_MODEL_SERVER_WORKERS": CategoricalParameter(["1", "2"])}],
    phases=[Phase(SECONDS, 1, 0), Phase(SECONDS, 4, 0)], traffic_type="PHASES", max_tests=2,
)
for found in model.inference_recommendations:
    print(found["ModelConfiguration"]["EnvironmentParameters"], found["Metrics"])

best = model.inference_recommendations[0]
model.name = None  # another model: with the variables that are recommended
predictor = model.deploy(
    inference_recommendation_id=best["RecommendationId"], endpoint_name=name, serializer=JSONSerializer(), deserializer=JSONDeserializer(),
)
price = predictor.predict(HOUSE)["price"]
endpoint = session.sagemaker_client.describe_endpoint(EndpointName=name)
config = session.sagemaker_client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
variant = config["ProductionVariants"][0]
served = session.sagemaker_client.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "recommended": len(model.inference_recommendations), "most": [r["Metrics"]["MaxInvocations"] for r in model.inference_recommendations],
    "type": variant["InstanceType"], "count": variant["InitialInstanceCount"], "price": round(price),
    "workers": [p["Value"] for p in best["ModelConfiguration"]["EnvironmentParameters"]]
    == [served["Environment"]["SAGEMAKER_MODEL_SERVER_WORKERS"]],
}))

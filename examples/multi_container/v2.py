"""SDK v2: two models on the same instances; each request names the container that it is for."""

import io
import json
import tarfile

import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

CODE = """
import json

def model_fn(model_dir):
    return {}

def transform_fn(model, body, content_type, accept):
    return json.dumps([{} for value in json.loads(body)]), "application/json"
"""
session = sagemaker.Session()
client, name = session.sagemaker_client, sagemaker.utils.unique_name_from_base("kitchen")
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def container(called, factor, result):
    """A container whose model is this factor."""
    archive, code = io.BytesIO(), CODE.format(factor, result).encode()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(code)
        tar.addfile(info, io.BytesIO(code))
    key = f"{name}/{called}/model.tar.gz"
    session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=key, Body=archive.getvalue())
    return {
        "ContainerHostname": called, "Image": image, "ModelDataUrl": f"s3://{session.default_bucket()}/{key}",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                        "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    }


client.create_model(
    ModelName=name, ExecutionRoleArn=sagemaker.get_execution_role(), InferenceExecutionConfig={"Mode": "Direct"},
    Containers=[container("grams", 28.35, "value * model"), container("celsius", 32, "(value - model) / 1.8")],
)
session.endpoint_from_production_variants(name, [sagemaker.production_variant(name, "ml.m5.large", 1)])
predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
answers = {called: predictor.predict([2, 212], initial_args={"TargetContainerHostname": called}) for called in ("grams", "celsius")}
refused = []
for more in ({}, {"TargetContainerHostname": "litres"}):
    try:
        predictor.predict([1], initial_args=more)
    except ClientError as error:
        refused.append(error.response["Error"]["Code"])
mode = client.describe_model(ModelName=name)["InferenceExecutionConfig"]["Mode"]
predictor.delete_endpoint()
client.delete_model(ModelName=name)
print("\nRESULT " + json.dumps({"mode": mode, "answers": answers, "refused": refused}))

"""SDK v2: a model behind an endpoint. CSV, JSON and npy in and out, an update to another model, several instances, an error."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, NumpyDeserializer
from sagemaker.serializers import CSVSerializer, JSONSerializer, NumpySerializer
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
name = sagemaker.utils.unique_name_from_base("houses")

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    prices = json.dumps({"metre": 3000, "room": 5000}).encode()
    info = tarfile.TarInfo("prices.json")
    info.size = len(prices)
    tar.addfile(info, io.BytesIO(prices))
session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=f"{name}/model.tar.gz", Body=archive.getvalue())


def model(script):
    return SKLearnModel(
        model_data=f"s3://{session.default_bucket()}/{name}/model.tar.gz", role=sagemaker.get_execution_role(),
        entry_point=str(CODE / script), framework_version="1.2-1", sagemaker_session=session, model_server_workers=1,
    )


houses = [[100, 4], [50, 2]]
predictor = model("cheap.py").deploy(1, "ml.m5.large", endpoint_name=name)
answers = {}
for kind, serializer, deserializer in (
    ("csv", CSVSerializer(), CSVDeserializer()), ("json", JSONSerializer(), JSONDeserializer()), ("npy", NumpySerializer(), NumpyDeserializer()),
):
    predictor.serializer, predictor.deserializer = serializer, deserializer
    answers[kind] = np.asarray(predictor.predict(np.array(houses) if kind == "npy" else houses), dtype=float).ravel().tolist()
predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
try:
    predictor.predict([["large", "many"]])
    error = {}
except ClientError as refused:
    error = {"code": refused.response["Error"]["Code"], "status": refused.response["OriginalStatusCode"]}

dear = model("dear.py")
dear.create(instance_type="ml.m5.large")
predictor.update_endpoint(initial_instance_count=2, instance_type="ml.m5.large", model_name=dear.name)
after = predictor.predict(houses)
about = session.sagemaker_client.describe_endpoint(EndpointName=name)
predictor.delete_model()
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "answers": answers, "error": error, "after": after, "instances": about["ProductionVariants"][0]["CurrentInstanceCount"],
}))

"""SDK v2: words arrive while the model still thinks about the next; a stream that breaks says so."""

import io
import json
import tarfile
import time
from pathlib import Path

import sagemaker
from botocore.exceptions import EventStreamError
from sagemaker.iterators import LineIterator
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
name = sagemaker.utils.unique_name_from_base("words")
archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()
session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=f"{name}/model.tar.gz", Body=archive.getvalue())
SKLearnModel(
    model_data=f"s3://{session.default_bucket()}/{name}/model.tar.gz", role=sagemaker.get_execution_role(),
    entry_point=str(CODE / "inference.py"), framework_version="1.2-1", sagemaker_session=session, model_server_workers=1,
).deploy(1, "ml.m5.large", endpoint_name=name)
predictor = Predictor(name, session, serializer=JSONSerializer())

said, behind = [], []
for line in predictor.predict_stream({"text": "it was the best of times", "pause": 0.2}, iterator=LineIterator):
    part = json.loads(line)
    said.append(part["word"])
    behind.append(time.time() - part["at"])

before, broken = [], ""
try:
    for line in predictor.predict_stream({"text": "well then FAIL never"}, iterator=LineIterator):
        before += [json.loads(line)["word"]]
except EventStreamError as error:  # botocore raises it before the SDK's own iterator sees the event
    broken = error.response["Error"]["Code"]
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({"said": said, "behind": max(behind), "before": before, "broken": broken}))

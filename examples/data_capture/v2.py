"""SDK v2: what an endpoint is asked and answers is captured, switched off, and captured again elsewhere."""

import io
import json
import tarfile
import time
from pathlib import Path

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel

session = sagemaker.Session()
client, name = session.sagemaker_client, sagemaker.utils.unique_name_from_base("captured")
archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()
session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=f"{name}/model.tar.gz", Body=archive.getvalue())
where = f"s3://{session.default_bucket()}/{name}"

model = SKLearnModel(
    model_data=f"s3://{session.default_bucket()}/{name}/model.tar.gz", role=sagemaker.get_execution_role(),
    entry_point=str(Path(__file__).parent / "code" / "inference.py"), framework_version="1.2-1", sagemaker_session=session,
    model_server_workers=1,
)
predictor = model.deploy(
    initial_instance_count=1, instance_type="ml.m5.large", endpoint_name=name, serializer=CSVSerializer(), deserializer=JSONDeserializer(),
    data_capture_config=DataCaptureConfig(enable_capture=True, sampling_percentage=100, destination_s3_uri=f"{where}/captured", sagemaker_session=session),
)


def captured(place, count):
    """The lines below a place, once there are so many."""
    while True:  # delivery takes a moment
        lines = [json.loads(line) for uri in sorted(S3Downloader.list(place, session)) for line in S3Downloader.read_file(uri, session).splitlines()]
        if len(lines) >= count:
            return lines
        time.sleep(0.1)


def status():
    about = client.describe_endpoint(EndpointName=name)["DataCaptureConfig"]
    return [about["EnableCapture"], about["CaptureStatus"], about["CurrentSamplingPercentage"], about["DestinationS3Uri"].rsplit("/", 1)[1]]


statuses = [status()]
for number in range(5):
    predictor.predict([[100 + number, 4]], inference_id=f"house-{number}")
first = captured(f"{where}/captured", 5)

predictor.disable_data_capture()
statuses.append(status())
predictor.predict([[1, 1]])

predictor.update_data_capture_config(DataCaptureConfig(
    enable_capture=True, sampling_percentage=100, destination_s3_uri=f"{where}/again", capture_options=["RESPONSE"], sagemaker_session=session,
))
statuses.append(status())
predictor.predict([[50, 2]])
again = captured(f"{where}/again", 1)

predictor.enable_data_capture()  # the SDK's defaults: a fifth of the requests, in its own bucket
statuses.append(status())
kept = len(captured(f"{where}/captured", 5))
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "statuses": statuses, "kept": kept,
    "first": [[line["captureData"]["endpointInput"]["data"], line["captureData"]["endpointOutput"]["data"], line["eventMetadata"]["inferenceId"]] for line in first],
    "again": [sorted(line["captureData"]) for line in again],
}))

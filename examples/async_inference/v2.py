"""SDK v2: an asynchronous endpoint. Answers and failures come by S3 and SNS; without instances, requests wait."""

import io
import json
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer, StringDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.serializers import CSVSerializer
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

# who wants to know of answers listens to a queue
sns, sqs = boto.client("sns"), boto.client("sqs")
topic = sns.create_topic(Name=name)["TopicArn"]
queue = sqs.create_queue(QueueName=name)["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

model = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", name=name, sagemaker_session=session, model_server_workers=1,
)
predictor = model.deploy(
    1, "ml.m5.large", endpoint_name=name, serializer=CSVSerializer(), deserializer=JSONDeserializer(),
    async_inference_config=AsyncInferenceConfig(
        output_path=f"s3://{bucket}/{name}/answers", failure_path=f"s3://{bucket}/{name}/failures",
        max_concurrent_invocations_per_instance=2, notification_config={"SuccessTopic": topic, "ErrorTopic": topic},
    ),
)
soon = WaiterConfig(max_attempts=15, delay=1)  # the SDK goes on looking for the failure of what has succeeded, as long as this says

waited = predictor.predict([[100, 4]], waiter_config=soon)
several = [predictor.predict_async([[metres, 1]], inference_id=f"house-{metres}") for metres in (50, 60, 70)]
prices = [one.get_result(soon) for one in several]

failure = ""
predictor.deserializer = StringDeserializer()  # the SDK reads failures with it, too
try:
    predictor.predict([["large", "many"]], waiter_config=soon)
except AsyncInferenceModelError as error:
    failure = str(error)
predictor.deserializer = JSONDeserializer()

told = []
while len(told) < 5:
    for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=10)["Messages"]:
        told.append(json.loads(message["Body"])["invocationStatus"])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def scale(count):
    client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[
        {"VariantName": "AllTraffic", "DesiredInstanceCount": count}])
    session.wait_for_endpoint(name, poll=1)


scale(0)
later = predictor.predict_async([[80, 2]])
scale(1)
woken = later.get_result(soon)

predictor.delete_endpoint()
sns.delete_topic(TopicArn=topic)
sqs.delete_queue(QueueUrl=queue)
print("\nRESULT", json.dumps({"waited": waited, "prices": prices, "failure": failure, "told": sorted(told), "woken": woken}))

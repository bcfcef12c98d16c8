"""Asynchronous endpoints as boto3 sees them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models, workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

MODEL = """
    import json, os, time

    def model_fn(d):
        return None

    def transform_fn(model, body, kind, accept):
        text = body.decode() if isinstance(body, bytes) else body
        if text == "fail":
            raise ValueError("no such flight")
        if text == "die":
            os._exit(3)
        if text.startswith("sleep "):
            time.sleep(float(text.split()[1]))
        return text.upper(), "text/plain"
"""


class Queued:
    """An asynchronous endpoint and what is around it."""

    def __init__(self, server: TestServer) -> None:
        self.models = Models(server)
        self.sns, self.sqs, self.metrics = server.client("sns"), server.client("sqs"), server.client("cloudwatch")
        self.bucket = self.models.bucket
        self.model = self.models.model(MODEL)

    def config(self, *, count: int = 1, client: dict[str, int] | None = None, **output: Any) -> str:
        name = self.models.name("async")
        self.models.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": self.model, "InstanceType": "ml.m5.large", "InitialInstanceCount": count}],
            AsyncInferenceConfig={
                "OutputConfig": {"S3OutputPath": f"s3://{self.bucket}/out", "S3FailurePath": f"s3://{self.bucket}/failed", **output},
                **({"ClientConfig": client} if client else {}),
            },
        )
        return name

    def deploy(self, **more: Any) -> str:
        name = self.models.endpoint(self.config(**more))
        about = self.models.settled(name)
        assert about["EndpointStatus"] == "InService", about.get("FailureReason")
        return name

    def ask(self, endpoint: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        if "Body" not in more:
            more.setdefault("InputLocation", self.models.put(f"in/{unique('x')}", text))
        answer: dict[str, Any] = self.models.runtime.invoke_endpoint_async(EndpointName=endpoint, ContentType="text/csv", **more)
        return answer

    def get(self, uri: str, seconds: float = 30.0) -> bytes:
        """An answer, as clients wait for it: by asking S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        end = time.monotonic() + seconds
        while True:
            try:
                found: bytes = self.models.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                return found
            except self.models.s3.exceptions.NoSuchKey:
                assert time.monotonic() < end, f"no {uri}\n{self.models.server.log()}"
                time.sleep(0.02)

    def topic(self) -> tuple[str, str]:
        """(ARN of a topic, URL of a queue that gets what is published)."""
        topic = self.sns.create_topic(Name=unique("told"))["TopicArn"]
        url = self.sqs.create_queue(QueueName=unique("told"))["QueueUrl"]
        queue = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
        return topic, url

    def told(self, url: str) -> dict[str, Any]:
        (message,) = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        found: dict[str, Any] = json.loads(message["Body"])
        return found

    def seen(self, name: str, *, variant: str = "", endpoint: str) -> list[dict[str, Any]]:
        where = [{"Name": "EndpointName", "Value": endpoint}, *([{"Name": "VariantName", "Value": variant}] if variant else [])]
        now = time.time()
        found: list[dict[str, Any]] = self.metrics.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=name, Dimensions=where, StartTime=now - 3600, EndTime=now + 60, Period=60,
            Statistics=["Sum", "Maximum", "Minimum", "SampleCount"])["Datapoints"]
        return found


@pytest.fixture(scope="module")
def queued(server: TestServer) -> Queued:
    return Queued(server)


@pytest.fixture(scope="module")
def endpoint(queued: Queued) -> Iterator[str]:
    name = queued.deploy()
    yield name
    queued.models.delete(name)


def refusal(act: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        act()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "async_inference") == "b'42.0'\n"


def test_a_request_and_its_answer(queued: Queued, endpoint: str) -> None:
    said = queued.ask(endpoint)
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert said["OutputLocation"] == f"s3://{queued.bucket}/out/{said['InferenceId']}.out"
    assert said["FailureLocation"] == f"s3://{queued.bucket}/failed/{said['InferenceId']}-error.out"
    headers = said["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-sagemaker-outputlocation"] == said["OutputLocation"]
    assert "x-amzn-sagemaker-inference-id" not in headers
    assert queued.get(said["OutputLocation"]) == b"HELLO"
    key = said["OutputLocation"].split("/", 3)[3]
    assert queued.models.s3.head_object(Bucket=queued.bucket, Key=key)["ContentType"].startswith("text/plain")


def test_names_of_answers(queued: Queued, endpoint: str) -> None:
    said = queued.ask(endpoint, InferenceId="mine/1", S3OutputPathExtension="day-1/x")
    assert (said["InferenceId"], said["OutputLocation"]) == ("mine/1", f"s3://{queued.bucket}/out/day-1/x/mine%2F1.out")
    named = queued.ask(endpoint, Filename="answer.csv")
    assert named["OutputLocation"] == f"s3://{queued.bucket}/out/answer.csv"
    assert queued.get(said["OutputLocation"]) == queued.get(named["OutputLocation"]) == b"HELLO"


def test_an_input_in_the_request_itself(queued: Queued, endpoint: str) -> None:
    assert queued.get(queued.ask(endpoint, Body=b"inline")["OutputLocation"]) == b"INLINE"


def test_a_large_input_and_answer(queued: Queued, endpoint: str) -> None:
    text = "abc\n" * 1_500_000
    assert queued.get(queued.ask(endpoint, text)["OutputLocation"]) == text.upper().encode()


def test_asking_again_with_an_inference_id_is_no_second_request(queued: Queued, endpoint: str) -> None:
    """A caller who did not hear the answer asks again; the model is asked once."""
    where, id_ = queued.models.put("in/once", "once"), unique("once")
    first = queued.ask(endpoint, InferenceId=id_, InputLocation=where)
    queued.get(first["OutputLocation"])
    key = first["OutputLocation"].split("/", 3)[3]
    before = queued.models.s3.head_object(Bucket=queued.bucket, Key=key)["LastModified"]
    again = queued.ask(endpoint, InferenceId=id_, InputLocation=where)
    assert (again["OutputLocation"], again["InferenceId"]) == (first["OutputLocation"], id_)
    assert queued.get(queued.ask(endpoint, "after")["OutputLocation"]) == b"AFTER"  # it came later, and is done
    assert queued.models.s3.head_object(Bucket=queued.bucket, Key=key)["LastModified"] == before


def test_failures(queued: Queued, endpoint: str) -> None:
    said = queued.ask(endpoint, "fail")
    assert b"no such flight" in queued.get(said["FailureLocation"])
    missing = queued.ask(endpoint, InputLocation=f"s3://{queued.bucket}/none")
    assert b"Could not find the input" in queued.get(missing["FailureLocation"])
    late = queued.ask(endpoint, "sleep 5", InvocationTimeoutSeconds=1)
    assert b"timed out" in queued.get(late["FailureLocation"])
    done = {o["Key"] for o in queued.models.s3.list_objects_v2(Bucket=queued.bucket, Prefix="out/").get("Contents", ())}
    for one in (said, missing, late):
        assert one["OutputLocation"].split("/", 3)[3] not in done


def test_a_model_that_dies_of_a_request(queued: Queued) -> None:
    """It is asked three times; what waits behind is answered by the next process."""
    endpoint = queued.deploy(client={"MaxConcurrentInvocationsPerInstance": 1})
    said, after = queued.ask(endpoint, "die"), queued.ask(endpoint, "alive")
    assert b"broke off 3 times" in queued.get(said["FailureLocation"], 60)
    assert queued.get(after["OutputLocation"], 60) == b"ALIVE"
    queued.models.delete(endpoint)


def test_notifications(queued: Queued) -> None:
    good, goods = queued.topic()
    bad, bads = queued.topic()
    endpoint = queued.deploy(NotificationConfig={
        "SuccessTopic": good, "ErrorTopic": bad, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]})
    said = queued.ask(endpoint, InferenceId="told-1", CustomAttributes="a=b", Accept="text/plain")
    told = queued.told(goods)
    times = [told.pop("eventTime"), told.pop("receivedTime")]
    assert all(len(t) == 24 and t.endswith("Z") for t in times)
    assert times[0] >= times[1]
    location = told["requestParameters"].pop("inputLocation")
    assert location.startswith(f"s3://{queued.bucket}/in/")
    assert told == {
        "awsRegion": "us-east-1", "invocationStatus": "Completed",
        "requestParameters": {"contentType": "text/csv", "accept": "text/plain", "customAttributes": "a=b", "endpointName": endpoint},
        "responseParameters": {"contentType": "text/plain", "outputLocation": said["OutputLocation"]},
        "responseBody": {"content": "SEVMTE8=", "encoding": "BASE64"},
        "inferenceId": "told-1", "eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "InferenceResult",
    }
    failed = queued.ask(endpoint, "fail")
    told = queued.told(bads)
    assert (told["invocationStatus"], told["inferenceId"]) == ("Failed", failed["InferenceId"])
    assert told["failureLocation"] == failed["FailureLocation"]
    assert "no such flight" in told["failureReason"]
    assert "responseBody" not in told
    queued.models.delete(endpoint)


def test_synchronous_and_asynchronous_do_not_mix(queued: Queued, endpoint: str) -> None:
    code, status, text = refusal(lambda: queued.models.invoke(endpoint))
    assert (code, status) == ("ValidationError", 400)
    assert "InvokeEndpointAsync" in text
    plain = queued.models.deploy()
    code, status, text = refusal(lambda: queued.ask(plain))
    assert (code, status) == ("ValidationError", 400)
    assert "not asynchronous" in text
    assert refusal(lambda: queued.ask("none"))[0] == "ValidationError"
    queued.models.delete(plain)


@pytest.mark.parametrize("params", [
    {"InputLocation": "s3://bucket"}, {"InputLocation": "s3://b/k", "Body": b"x"}, {"InputLocation": "s3://b/k", "RequestTTLSeconds": 21_601},
    {"InputLocation": "https://example.com/x"}, {"Body": b"x" * 128_001},
])
def test_requests_that_cannot_be(queued: Queued, endpoint: str, params: dict[str, Any]) -> None:
    assert refusal(lambda: queued.ask(endpoint, **params))[0] == "ValidationError"


def test_what_describe_says(queued: Queued, endpoint: str) -> None:
    about = queued.models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert about["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == f"s3://{queued.bucket}/out"
    config = queued.models.sagemaker.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])
    assert config["AsyncInferenceConfig"] == about["AsyncInferenceConfig"]


def test_configurations_that_cannot_be(queued: Queued) -> None:
    for output in ({"S3OutputPath": ""}, {"NotificationConfig": {"IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}}):
        assert refusal(lambda: queued.config(**output))[0] == "ValidationException"  # noqa: B023


def test_metrics_and_data_log(queued: Queued, endpoint: str) -> None:
    said = queued.ask(endpoint)
    queued.get(said["OutputLocation"])
    group = f"/aws/sagemaker/Endpoints/{endpoint}"

    def line() -> str:
        try:
            events = queued.models.logs.filter_log_events(logGroupName=group, filterPattern=f'"{said["InferenceId"]}"')["events"]
        except queued.models.logs.exceptions.ResourceNotFoundException:
            return ""
        return next((e["logStreamName"] + " " + e["message"] for e in events), "")

    text = until(line)
    assert text.split(" ")[0].startswith("AllTraffic/i-")
    assert text.split(" ")[0].endswith("/data-log")
    for part in ("Inference request succeeded.", "ModelLatency:", "RequestDownloadLatency:", "TimeInBacklog:", "TotalProcessingTime:"):
        assert part in text
    for name in ("InvocationsProcessed", "InvocationsProcesssed", "TimeInBacklog", "RequestDownloadLatency", "ModelLatency"):
        assert until(lambda: queued.seen(name, variant="AllTraffic", endpoint=endpoint)), name  # noqa: B023
    assert until(lambda: queued.seen("ApproximateBacklogSize", endpoint=endpoint))


def test_scale_to_zero_and_back(queued: Queued) -> None:
    """What comes meanwhile waits, says so, and is answered when there is an instance again."""
    endpoint = queued.deploy()
    s = queued.models.sagemaker

    def scale(count: int) -> None:
        s.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}])

    scale(0)
    about = queued.models.settled(endpoint)
    assert about["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    waiting = [queued.ask(endpoint, f"x{n}") for n in range(5)]
    point = until(lambda: [p for p in queued.seen("HasBacklogWithoutCapacity", endpoint=endpoint) if p["Maximum"] == 1])
    assert point
    assert any(p["Maximum"] >= 1 for p in queued.seen("ApproximateBacklogSizePerInstance", endpoint=endpoint))
    scale(1)
    assert [queued.get(one["OutputLocation"]) for one in waiting] == [f"X{n}".encode() for n in range(5)]
    assert until(lambda: [p for p in queued.seen("HasBacklogWithoutCapacity", endpoint=endpoint) if p["Minimum"] == 0])
    queued.models.delete(endpoint)


def test_an_endpoint_made_again_does_not_inherit(queued: Queued) -> None:
    """Deleting an endpoint drops what waits."""
    s, config = queued.models.sagemaker, queued.config(client={"MaxConcurrentInvocationsPerInstance": 1})
    name = queued.models.endpoint(config)
    queued.models.settled(name)
    queued.ask(name, "sleep 1")
    waiting = queued.ask(name, "never")
    queued.models.delete(name)
    s.create_endpoint(EndpointName=name, EndpointConfigName=config)
    queued.models.settled(name)
    assert queued.get(queued.ask(name, "new")["OutputLocation"]) == b"NEW"
    with pytest.raises(queued.models.s3.exceptions.NoSuchKey):
        queued.models.s3.get_object(Bucket=queued.bucket, Key=waiting["OutputLocation"].split("/", 3)[3])
    queued.models.delete(name)


def test_the_role_s_permissions_count(queued: Queued, server: TestServer) -> None:
    """Without s3:PutObject the endpoint fails and says why; an input that the role may not read fails its request."""
    iam, name = server.client("iam"), unique("narrow")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    model = queued.models.model(MODEL, ExecutionRoleArn=role)

    def may(*allowed: tuple[str, str]) -> None:
        statements = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in allowed]
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    mine, whole = Queued.__new__(Queued), f"arn:aws:s3:::{queued.bucket}/*"
    mine.__dict__.update(queued.__dict__, model=model)
    may(("s3:GetObject", whole))
    endpoint = queued.models.endpoint(mine.config())
    about = queued.models.settled(endpoint)
    assert about["EndpointStatus"] == "Failed"
    assert "s3:PutObject" in about["FailureReason"]
    queued.models.delete(endpoint)
    may(("s3:PutObject", whole), ("s3:GetObject", f"arn:aws:s3:::{queued.bucket}/m*"))
    endpoint = mine.deploy()
    assert b"AccessDenied" in queued.get(queued.ask(endpoint)["FailureLocation"])
    queued.models.delete(endpoint)

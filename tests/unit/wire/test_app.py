"""The whole wire over real HTTP: our listener, boto3, and raw sockets for what boto3 would never send."""

from __future__ import annotations

import functools
import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from .wireserver import KEY, SECRET, build, client, serve
from .world import World, bind, code_of

MODEL = {"ExecutionRoleArn": "arn:aws:iam::123456789012:role/Job", "PrimaryContainer": {"Image": "x.dkr/y:1"}}


def test_json_call(world: World) -> None:
    url, wire, seen = world
    sm = client(url, "sagemaker", region="eu-west-1")
    answer = sm.create_model(ModelName="m", **MODEL)
    assert answer["ModelArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:model/m"
    assert answer["ResponseMetadata"]["RequestId"] == seen["call"].request_id
    assert wire.audited[-1][0].operation == "CreateModel"
    assert seen["call"].endpoint == url


def test_domain_errors_become_what_the_operation_declares(world: World) -> None:
    url, _, _ = world
    sm = client(url, "sagemaker")
    with pytest.raises(ClientError) as caught:
        sm.describe_training_job(TrainingJobName="x")
    assert code_of(caught) == ("ResourceNotFound", 400, "Requested resource not found.")
    with pytest.raises(ClientError) as caught:
        sm.create_model(ModelName="taken", **MODEL)
    assert code_of(caught) == ("ValidationException", 400, "Cannot create already existing model taken")
    with pytest.raises(ClientError) as caught:
        client(url, "iam").get_role(RoleName="r")
    assert code_of(caught)[:2] == ("NoSuchEntity", 404)


def test_an_unexpected_error_stays_inside(world: World, caplog: pytest.LogCaptureFixture) -> None:
    url, _, _ = world
    with pytest.raises(ClientError) as caught:
        client(url, "sagemaker").describe_training_job(TrainingJobName="crash")
    code, status, message = code_of(caught)
    assert (code, status) == ("InternalFailure", 500)
    assert "secret" not in message
    assert caught.value.response["ResponseMetadata"]["RequestId"] in message
    assert "a secret of the server" in caplog.text


@pytest.mark.parametrize(("service", "verb"), [
    ("sagemaker", "list_models"), ("s3", "list_buckets"), ("sts", "get_session_token"), ("logs", "describe_log_groups"),
    ("cloudwatch", "list_metrics"), ("sqs", "list_queues"), ("sagemaker-metrics", ""),
])
def test_an_unbound_operation_says_so_in_the_callers_protocol(world: World, service: str, verb: str) -> None:
    url, _, _ = world
    c = client(url, service)
    query = {"MetricName": "m", "ResourceArn": "a", "MetricStat": "Min", "Period": "OneMinute", "XAxisType": "Timestamp"}
    call = getattr(c, verb) if verb else functools.partial(c.batch_get_metrics, MetricQueries=[query])
    with pytest.raises(ClientError) as caught:
        call()
    code, status, message = code_of(caught)
    assert (code, status) == ("NotImplemented", 501)
    assert c.meta.method_to_api_mapping.get(verb or "batch_get_metrics", "?") in message


def test_every_fault_of_a_document_is_named(world: World) -> None:
    url, _, _ = world
    sm = boto3.client("sagemaker", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                      config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as caught:
        sm.create_model(ModelName="-bad-", Tags=[{"Key": "k"}], PrimaryContainer={"Mode": "Neither", "Image": "i"})
    code, status, message = code_of(caught)
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("3 validation errors detected: ")
    assert "Value '-bad-' at 'modelName' failed to satisfy constraint: Member must satisfy regular expression pattern" in message
    assert "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null" in message
    assert "at 'primaryContainer.mode' failed to satisfy constraint: Member must satisfy enum value set: [SingleModel, MultiModel]" in message


def test_query_call_and_denial(world: World) -> None:
    url, wire, _ = world
    assert client(url, "sts").get_caller_identity()["Account"] == "123456789012"
    role = client(url, "sagemaker", key="ASIASESSION", secret="other", token="the-token")
    assert "model/m" in role.create_model(ModelName="m", **MODEL)["ModelArn"]
    assert wire.keys.asked[-1] == ("sagemaker:CreateModel", "arn:model/m")
    wire.keys.denied.add("sagemaker:CreateModel")
    with pytest.raises(ClientError) as caught:
        role.create_model(ModelName="m", **MODEL)
    wire.keys.denied.clear()
    assert code_of(caught)[:2] == ("AccessDeniedException", 403)
    assert "sagemaker:CreateModel on resource: arn:model/m" in code_of(caught)[2]
    assert isinstance(wire.audited[-1][1], Exception)


@pytest.mark.parametrize(("service", "call", "code"), [
    ("sagemaker", lambda c: c.create_model(ModelName="m", **MODEL), "UnrecognizedClientException"),
    ("sts", lambda c: c.get_caller_identity(), "InvalidClientTokenId"),
    ("s3", lambda c: c.get_object(Bucket="bucket", Key="k"), "InvalidAccessKeyId"),
])
def test_unknown_keys(world: World, service: str, call: Any, code: str) -> None:
    url, _, _ = world
    with pytest.raises(ClientError) as caught:
        call(client(url, service, key="AKIAUNKNOWN"))
    assert code_of(caught)[:2] == (code, 403)


@pytest.mark.parametrize(("service", "call", "code"), [
    ("sagemaker", lambda c: c.create_model(ModelName="m", **MODEL), "InvalidSignatureException"),
    ("sts", lambda c: c.get_caller_identity(), "SignatureDoesNotMatch"),
    ("s3", lambda c: c.put_object(Bucket="bucket", Key="k", Body=b"x"), "SignatureDoesNotMatch"),
])
def test_wrong_secrets(world: World, service: str, call: Any, code: str) -> None:
    url, _, seen = world
    seen["objects"].pop("k", None)
    with pytest.raises(ClientError) as caught:
        call(client(url, service, secret="wrong"))
    assert code_of(caught)[:2] == (code, 403)
    assert "k" not in seen["objects"]


def test_unsigned(world: World) -> None:
    url, _, _ = world
    with pytest.raises(ClientError) as caught:
        boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)).get_object(Bucket="bucket", Key="k")
    assert code_of(caught)[:2] == ("AccessDenied", 403)
    with pytest.raises(ClientError) as caught:
        boto3.client("sagemaker", endpoint_url=url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)).list_models()
    assert code_of(caught)[:2] == ("MissingAuthenticationTokenException", 403)


def test_metrics_in_json_and_gzip(world: World) -> None:
    url, _, seen = world
    cw = client(url, "cloudwatch")
    data = [{"MetricName": f"metric-{i}", "Value": float(i), "Dimensions": [{"Name": "n", "Value": "v" * 100}]} for i in range(200)]
    cw.put_metric_data(Namespace="n", MetricData=data)
    assert seen["call"].headers["content-encoding"] == "gzip"
    assert seen["call"].params == {"Namespace": "n", "MetricData": data}
    with pytest.raises(ClientError) as caught:
        cw.delete_alarms(AlarmNames=["a"])
    assert code_of(caught)[1] == 404


def test_a_feature_group_may_be_an_arn(world: World) -> None:
    url, _, seen = world
    arn = "arn:aws:sagemaker:us-east-1:123456789012:feature-group/fg"
    client(url, "sagemaker-featurestore-runtime").put_record(FeatureGroupName=arn, Record=[{"FeatureName": "f", "ValueAsString": "1"}])
    assert seen["call"].params["FeatureGroupName"] == arn


def test_invoke_and_stream(world: World) -> None:
    url, _, seen = world
    rt = client(url, "sagemaker-runtime")
    answer = rt.invoke_endpoint(EndpointName="e", Body=b"abc", ContentType="text/csv", Accept="application/json", TargetVariant="v1")
    assert (answer["Body"].read(), answer["ContentType"]) == (b"cba", "application/json")
    assert seen["call"].params["TargetVariant"] == "v1"
    events = rt.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"x")
    assert b"".join(e["PayloadPart"]["Bytes"] for e in events["Body"]) == b"one two three"
    assert events["ContentType"] == "text/plain"
    from botocore.exceptions import EventStreamError

    with pytest.raises(EventStreamError, match="it broke"):
        list(rt.invoke_endpoint_with_response_stream(EndpointName="breaks", Body=b"x")["Body"])
    with pytest.raises(ClientError) as caught:
        rt.invoke_endpoint(EndpointName="e", Body=b"x" * (1 << 20))
    assert code_of(caught)[:2] == ("ValidationError", 413)


def test_a_client_that_leaves_ends_the_stream(world: World) -> None:
    url, _, seen = world
    s3 = client(url, "s3")
    answer = s3.get_object_torrent(Bucket="bucket", Key="k")
    assert answer["Body"].read(10) == b"x" * 10
    answer["Body"].close()
    assert seen["closed"].wait(10)


# raw HTTP


def raw(url: str, data: bytes) -> bytes:
    """Send bytes, read until the server closes."""
    host = urlsplit(url)
    with socket.create_connection((host.hostname or "", host.port or 0), timeout=10) as connection:
        connection.sendall(data)
        out = b""
        while piece := connection.recv(65536):
            out += piece
        return out


def test_an_error_before_the_body_answers_a_waiting_client_at_once(world: World) -> None:
    url, _, _ = world
    answer = raw(url, b"PUT /bucket/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer
    assert b"<Code>AccessDenied</Code>" in answer


@pytest.mark.parametrize(("request_", "status"), [
    (b"POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.ListModels\r\nAuthorization: AWS4-HMAC-SHA256 nonsense\r\nContent-Length: 2\r\n", 400),
    (b"POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.NoSuchThing\r\nContent-Length: 2\r\n", 404),
    (b"POST / HTTP/1.1\r\nX-Amz-Target: Nothing.AtAll\r\nContent-Length: 2\r\n", 404),
    (b"POST / HTTP/1.1\r\nX-Amz-Target: \r\nContent-Length: 2\r\n", 404),
    (b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n", 400),
    (b"POST /service/Nope/operation/X HTTP/1.1\r\nSmithy-Protocol: rpc-v2-cbor\r\nContent-Length: 2\r\n", 404),
    (b"POST /service/GraniteServiceVersion20100801/operation/ListMetrics HTTP/1.1\r\nSmithy-Protocol: rpc-v2-cbor\r\nContent-Length: 2\r\n", 403),
    (b"GET /%ff%fe/%00 HTTP/1.1\r\nContent-Length: 2\r\n", 403),
    (b"PROPFIND /pot HTTP/1.1\r\nContent-Length: 2\r\n", 405),
    (b"GET /_sagewright/nothing HTTP/1.1\r\nContent-Length: 2\r\n", 404),
    (b"POST /bucket HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: 2\r\n", 400),
    (b"PUT /bucket/key?AWSAccessKeyId=a&Signature=b&Expires=zzz HTTP/1.1\r\nContent-Length: 2\r\n", 403),
    (b"PUT /bucket/key?X-Amz-Signature=b HTTP/1.1\r\nContent-Length: 2\r\n", 400),
    (b"POST /endpoints/e/invocations HTTP/1.1\r\nContent-Length: 2\r\n", 403),
    (b"DELETE / HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n", 405),
])
def test_malformed_requests_get_a_clear_refusal(world: World, request_: bytes, status: int) -> None:
    url, _, _ = world
    answer = raw(url, request_ + b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n{}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, answer
    assert b"x-amzn-requestid" in head
    assert b"Traceback" not in body
    assert len(body) > 10


@pytest.mark.parametrize(("host", "path", "code"), [
    ("my-bucket.s3.us-east-1.amazonaws.com", "/some/key", b"AccessDenied"),
    ("my-bucket.localhost", "/some/key", b"AccessDenied"),
    ("sts.us-east-1.amazonaws.com", "/?Action=GetCallerIdentity&Version=2011-06-15", b"MissingAuthenticationToken"),
    ("runtime.sagemaker.us-east-1.amazonaws.com", "/endpoints/e/invocations", b"UnknownOperation"),
])
def test_host_names_route_unsigned_requests(world: World, host: str, path: str, code: bytes) -> None:
    url, _, _ = world
    assert code in raw(url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


def test_hosts_and_origins(world: World) -> None:
    url, _, _ = world
    assert raw(url, b"GET /x HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 421")
    preflight = b"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\nOrigin: "
    allowed = raw(url, preflight + b"http://studio.test\r\n\r\n").lower()
    assert allowed.startswith(b"http/1.1 204")
    assert b"access-control-allow-origin: http://studio.test" in allowed
    assert b"x-amz-target" in allowed
    refused = raw(url, preflight + b"http://evil.test\r\n\r\n").lower()
    assert refused.startswith(b"http/1.1 403")
    assert b"access-control-allow-origin" not in refused


def test_oversized_bodies_are_refused_by_their_length(world: World) -> None:
    url, _, _ = world
    sm = client(url, "sagemaker")
    with pytest.raises(ClientError) as caught:
        sm.create_model(ModelName="m", Containers=[{"Image": "i", "Environment": {"a" * 1000: "b" * 1000}}] * 700, ExecutionRoleArn=MODEL["ExecutionRoleArn"])
    assert code_of(caught)[1] == 413


def test_keep_alive_serves_many_calls_on_one_connection(world: World) -> None:
    url, _, _ = world
    host = urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port)
    for _ in range(3):
        connection.request("POST", "/", b"{}", {"X-Amz-Target": "SageMaker.ListModels"})
        answer = connection.getresponse()
        assert answer.status == 403
        assert json.loads(answer.read())["__type"] == "MissingAuthenticationTokenException"
        assert answer.getheader("connection") != "close"
    connection.close()


def test_lenient_and_off(tmp_path: Path) -> None:
    for mode in ("lenient", "off"):
        wire = build(auth=mode)
        seen: dict[str, Any] = {"objects": {}, "folder": tmp_path}
        bind(wire, seen)
        with serve(wire.app) as url:
            assert "role/" in client(url, "sts", key="anything", secret="at all").get_caller_identity()["Arn"]
            client(url, "s3", key="x", secret="y").put_object(Bucket="bucket", Key="k", Body=b"1")
            assert seen["objects"] == {"k": b"1"}
            evil = raw(url, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.test\r\nX-Amz-Target: SageMaker.ListModels\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            assert evil.startswith(b"HTTP/1.1 403")

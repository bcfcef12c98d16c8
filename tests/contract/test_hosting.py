"""Models, endpoint configurations, endpoints and invocations, as boto3 sees them."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, WaiterError

from sagewright.testing.models import ECHO, PYTHON, Models, workflow
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


@pytest.fixture(scope="module")
def echo(models: Models) -> Iterator[str]:
    name = models.deploy()
    yield name
    models.delete(name)


def says(word: str) -> str:
    return f"def model_fn(d):\n    return None\n\ndef transform_fn(model, body, kind, accept):\n    return {word!r}, 'text/plain'\n"


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_the_workflow_of_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "hosting") == "b'42.0'\n"


# -- models and configurations


def test_model_and_config_describe_what_was_given(models: Models) -> None:
    model = models.model()
    about = models.sagemaker.describe_model(ModelName=model)
    assert about["PrimaryContainer"]["Image"] == PYTHON
    assert about["EnableNetworkIsolation"] is False
    assert about["ModelArn"].endswith(f":model/{model}")
    config = models.config(model)
    variant = models.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    assert (variant["ModelName"], variant["InitialVariantWeight"]) == (model, 1.0)
    assert model in [m["ModelName"] for m in models.sagemaker.list_models(NameContains=model)["Models"]]
    models.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    models.sagemaker.delete_model(ModelName=model)


def test_messages_that_clients_match(models: Models) -> None:
    s = models.sagemaker
    model = models.model()
    with pytest.raises(ClientError) as caught:
        s.create_model(ModelName=model, PrimaryContainer={"Image": PYTHON})
    assert refused(caught)[0] == "ValidationException"
    assert "Cannot create already existing model" in refused(caught)[1]
    for missing in (
        lambda: s.describe_model(ModelName="none"), lambda: s.describe_endpoint(EndpointName="none"),
        lambda: s.describe_endpoint_config(EndpointConfigName="none"), lambda: s.delete_endpoint(EndpointName="none"),
        lambda: s.create_endpoint(EndpointName="none", EndpointConfigName="none"), lambda: models.config("none"),
    ):
        with pytest.raises(ClientError) as caught:
            missing()
        assert refused(caught)[0] == "ValidationException"
        assert "Could not find" in refused(caught)[1]


@pytest.mark.parametrize(("container", "text"), [
    ({}, "Image is required"),
    ({"Image": PYTHON, "ModelDataUrl": "s3://{bucket}/model.zip"}, "must point to a .tar.gz"),
    ({"Image": PYTHON, "ModelDataUrl": "s3://{bucket}/none.tar.gz"}, "Could not find model data at"),
    ({"Image": PYTHON, "ModelDataUrl": "https://example.com/x.tar.gz"}, "Invalid S3 URI"),
])
def test_models_that_cannot_be(models: Models, container: dict[str, str], text: str) -> None:
    container = {k: v.format(bucket=models.bucket) for k, v in container.items()}
    with pytest.raises(ClientError, match=text):
        models.sagemaker.create_model(ModelName=models.name(), PrimaryContainer=container)


def test_additional_model_data_in_one_place(models: Models) -> None:
    url = models.put("twice.tar.gz", b"x")
    source = {"ChannelName": "more", "S3DataSource": {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}}
    with pytest.raises(ClientError, match="Duplicate channel name of additional model data: more"):
        models.sagemaker.create_model(ModelName=models.name(), PrimaryContainer={"Image": PYTHON, "AdditionalModelDataSources": [source, source]})


def test_how_often_metrics_are_published(models: Models) -> None:
    variant = {"VariantName": "a", "ModelName": models.model(), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    name = models.name("c")
    with pytest.raises(ClientError, match="MetricPublishFrequencyInSeconds must be one of 10, 30, 60, 120, 180, 240, 300, not 15"):
        models.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant], MetricsConfig={"MetricPublishFrequencyInSeconds": 15})
    models.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], MetricsConfig={"MetricPublishFrequencyInSeconds": 30})
    assert models.sagemaker.describe_endpoint_config(EndpointConfigName=name)["MetricsConfig"]["MetricPublishFrequencyInSeconds"] == 30


@pytest.mark.parametrize(("more", "named"), [
    ({"ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1,2"}}}}}, "ExplainerConfig"),
])
def test_what_is_not_built_says_so(models: Models, more: dict[str, object], named: str) -> None:
    variant = {"VariantName": "a", "ModelName": models.model(), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    with pytest.raises(ClientError, match=named) as caught:
        models.sagemaker.create_endpoint_config(EndpointConfigName=models.name(), ProductionVariants=[variant], **more)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


# -- invocations


def test_body_type_and_attributes_come_back(models: Models, echo: str) -> None:
    answer = models.invoke(echo, b"1,2\n", ContentType="text/csv", InferenceId="i1")
    assert (answer["Body"], answer["ContentType"], answer["InvokedProductionVariant"]) == (b"1,2\n", "text/csv", "AllTraffic")
    binary = bytes(range(256)) * 20_000
    assert models.invoke(echo, binary, ContentType="application/x-npy")["Body"] == binary


def test_only_the_contract_s_headers_reach_the_model(models: Models) -> None:
    endpoint = models.deploy("""
        import json
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept, context=None):
            return json.dumps([kind, accept]), "application/json"
    """)
    answer = models.invoke(endpoint, b"x", ContentType="text/csv", Accept="application/json")
    assert json.loads(answer["Body"]) == ["text/csv", "application/json"]
    models.delete(endpoint)


def test_a_missing_endpoint(models: Models) -> None:
    with pytest.raises(ClientError) as caught:
        models.invoke("none")
    assert refused(caught) == ("ValidationError", "Endpoint none of account 123456789012 not found.")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_body_above_the_limit(models: Models, echo: str) -> None:
    with pytest.raises(ClientError) as caught:
        models.invoke(echo, b"x" * 6_291_457)
    assert refused(caught)[0] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_an_unknown_variant(models: Models, echo: str) -> None:
    with pytest.raises(ClientError, match="Variant other of endpoint"):
        models.invoke(echo, TargetVariant="other")


def test_a_model_s_error_is_a_model_error(models: Models) -> None:
    endpoint = models.deploy("""
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept):
            print("about to fail")
            raise ValueError("no such feature")
    """)
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint)
    code, message = refused(caught)
    assert code == "ModelError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert caught.value.response["OriginalStatusCode"] == 500
    assert "no such feature" in caught.value.response["OriginalMessage"]
    assert message.startswith('Received server error (500) from primary with message "')
    assert f"logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint} in account 123456789012" in message
    stream = caught.value.response["LogStreamArn"].split(":log-stream:")[1]
    assert stream.startswith("AllTraffic/i-")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    until(lambda: any("about to fail" in e["message"] for e in models.logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]))
    models.delete(endpoint)


def test_streams_arrive_in_parts(models: Models) -> None:
    endpoint = models.deploy("""
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept):
            return (b"part%d;" % n for n in range(3)), "text/plain"
    """)
    answer = models.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=b"x")
    assert answer["ContentType"] == "text/plain"
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == b"part0;part1;part2;"
    models.delete(endpoint)


def test_weights_and_target_variant(models: Models) -> None:
    endpoint = models.endpoint(models.config(models.model(says("a")), models.model(says("b")), weights=(3.0, 1.0)))
    models.settled(endpoint)
    answers = [models.invoke(endpoint) for _ in range(8)]
    assert [a["Body"] for a in answers].count(b"a") == 6
    assert {a["InvokedProductionVariant"] for a in answers} == {"v0", "v1"}
    assert models.invoke(endpoint, TargetVariant="v1")["Body"] == b"b"
    models.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "v0", "DesiredWeight": 0.0}]
    )
    about = models.settled(endpoint)
    assert [(v["VariantName"], v["CurrentWeight"]) for v in about["ProductionVariants"]] == [("v0", 0.0), ("v1", 1.0)]
    assert {models.invoke(endpoint)["Body"] for _ in range(5)} == {b"b"}
    models.delete(endpoint)


# -- the endpoint's life


def test_describe_an_endpoint_in_service(models: Models, echo: str) -> None:
    about = models.sagemaker.describe_endpoint(EndpointName=echo)
    [variant] = about["ProductionVariants"]
    assert variant["DeployedImages"][0]["SpecifiedImage"] == PYTHON
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert echo in [e["EndpointName"] for e in models.sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"]]


def test_a_config_or_model_may_go(models: Models) -> None:
    model = models.model()
    config = models.config(model)
    endpoint = models.endpoint(config)
    models.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    models.sagemaker.delete_model(ModelName=model)
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    assert models.invoke(endpoint, b"still")["Body"] == b"still"
    models.delete(endpoint)


def test_a_container_that_dies_fails_the_endpoint(models: Models) -> None:
    endpoint = models.endpoint(models.config(models.model("raise RuntimeError('the weights are missing')")))
    with pytest.raises(WaiterError):
        models.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint)
    about = models.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert about["EndpointStatus"] == "Failed"
    reason = about["FailureReason"]
    assert "did not pass the ping health check. Please check CloudWatch logs for this endpoint." in reason
    assert "the weights are missing" in reason
    assert f"/aws/sagemaker/Endpoints/{endpoint}" in reason
    with pytest.raises(ClientError, match="not found"):
        models.invoke(endpoint)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=models.config(models.model()))
    models.delete(endpoint)


def test_an_unknown_image_says_what_to_do(models: Models) -> None:
    name = models.name()
    models.sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": "nobody/knows:1"}, ExecutionRoleArn=models.role)
    endpoint = models.endpoint(models.config(name))
    about = models.settled(endpoint)
    assert about["EndpointStatus"] == "Failed"
    assert "nobody/knows:1" in about["FailureReason"]
    models.delete(endpoint)


def test_update_drops_no_request(models: Models) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old"))))
    models.settled(endpoint)
    new = models.config(models.model(says("new")), count=2)
    stop, seen, errors = threading.Event(), [], []

    def ask() -> None:
        runtime = models.server.client("sagemaker-runtime")
        while not stop.is_set():
            try:
                seen.append(runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x")["Body"].read())
            except ClientError as error:
                errors.append(error)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(ask)
        models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
        about = models.settled(endpoint)
        settled = len(seen)
        while len(seen) < settled + 20 and not errors:
            time.sleep(0.01)  # the threads ask on: a few whole rounds after the switch
        stop.set()
    assert about["EndpointConfigName"] == new
    assert about["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert not errors
    assert {b"old", b"new"} == set(seen)
    assert seen[-1] == b"new"
    models.delete(endpoint)


def test_a_failed_update_keeps_the_old_model(models: Models) -> None:
    endpoint = models.endpoint(models.config(models.model(says("old"))))
    old = models.settled(endpoint)["EndpointConfigName"]
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=models.config(models.model("raise SystemExit(3)")))
    about = models.settled(endpoint)
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", old)
    assert "ping health check" in about["FailureReason"]
    assert models.invoke(endpoint)["Body"] == b"old"
    models.delete(endpoint)


def test_scale_out_and_in(models: Models, echo: str) -> None:
    for count in (2, 1):
        models.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=echo, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
        )
        about = models.settled(echo)
        assert about["ProductionVariants"][0]["CurrentInstanceCount"] == count
        assert models.invoke(echo, b"n")["Body"] == b"n"


def test_a_deleted_endpoint_leaves_nothing(models: Models) -> None:
    endpoint = models.deploy()
    models.delete(endpoint)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        models.sagemaker.describe_endpoint(EndpointName=endpoint)
    with pytest.raises(ClientError, match="not found"):
        models.invoke(endpoint)


def test_a_model_that_kills_its_worker_comes_back(models: Models) -> None:
    endpoint = models.deploy("""
        import os
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept):
            if body in (b"die", "die"):
                os._exit(9)
            return body, kind
    """)
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, b"die")
    assert caught.value.response["OriginalStatusCode"] == 0
    assert "closed the connection" in caught.value.response["OriginalMessage"]
    end, code = time.monotonic() + 10, ""
    while code != "well" and time.monotonic() < end:
        try:
            code = models.invoke(endpoint, b"well")["Body"].decode()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            time.sleep(0.05)
        assert code in ("well", "ServiceUnavailable")
    assert code == "well"
    assert models.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    models.delete(endpoint)


def test_metrics_of_an_endpoint(models: Models) -> None:
    endpoint = models.deploy()
    for _ in range(3):
        models.invoke(endpoint)
    cloudwatch = models.server.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]
    end = time.monotonic() + 20
    points: list[dict[str, float]] = []
    while not points and time.monotonic() < end:
        time.sleep(0.2)
        now = time.time()
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="Invocations", Dimensions=dimensions, StartTime=now - 600, EndTime=now + 60,
            Period=3600, Statistics=["Sum"],
        )["Datapoints"]
    assert sum(p["Sum"] for p in points) == 3
    models.delete(endpoint)


# -- recovery


def test_endpoints_outlive_the_server(own_server: TestServer) -> None:
    models = Models(own_server)
    endpoint = models.deploy(ECHO)
    own_server.kill()
    own_server.start()
    models = Models(own_server)
    assert models.invoke(endpoint, b"again")["Body"] == b"again"
    # killed in the middle of an update: it goes on to its end
    new = models.config(models.model("import time\ntime.sleep(1)\n" + says("new")))
    models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    own_server.kill()
    own_server.start()
    models = Models(own_server)
    assert models.invoke(endpoint)["Body"] in (b"x", b"new")
    about = models.settled(endpoint)
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", new)
    assert models.invoke(endpoint)["Body"] == b"new"
    models.delete(endpoint)
    end = time.monotonic() + 10
    while (left := [p for p in own_server.processes() if endpoint in " ".join(p.cmdline())]) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left

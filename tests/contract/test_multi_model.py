"""Multi-model endpoints, as boto3 sees them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.testing import containers
from sagewright.testing.containers import Container, tar
from sagewright.testing.models import PYTHON, Models, archive
from sagewright.testing.processes import living
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

SAYS = """
    import os
    import helpers

    def model_fn(model_dir):
        with open(os.path.join(model_dir, "word")) as file:
            return file.read()

    def transform_fn(model, body, kind, accept):
        import helpers as again  # a statement that runs when other models have been loaded since
        assert again is helpers
        return f"{model} {helpers.WORD} {os.environ['SAGEWRIGHT_WORKER']}", "text/plain"
"""


class Many(Models):
    """Endpoints of many models."""

    def add(self, prefix: str, target: str, word: str, code: str = SAYS, **files: str) -> None:
        self.put(f"{prefix}/{target}", archive(code__inference_py=code, code__helpers_py=f"WORD = {word.upper()!r}", word=word, **files))

    def many(self, prefix: str, *, env: dict[str, str] | None = None, cache: str = "", workers: int = 1, count: int = 1, **more: Any) -> str:
        """An endpoint of the models below a prefix, in service."""
        name = self.name()
        container: dict[str, Any] = {
            "Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{self.bucket}/{prefix}/",
            "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers), **(env or {})},
        }
        if cache:
            container["MultiModelConfig"] = {"ModelCacheSetting": cache}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.role, **more)
        endpoint = self.endpoint(self.config(name, count=count))
        about = self.settled(endpoint, 300)
        assert about["EndpointStatus"] == "InService", about.get("FailureReason")
        return endpoint

    def ask(self, endpoint: str, target: str, body: bytes | str = b"x", **more: Any) -> list[str]:
        return str(self.invoke(endpoint, body, TargetModel=target, **more)["Body"].decode()).split()


@pytest.fixture(scope="module")
def models(server: TestServer) -> Many:
    return Many(server)


@pytest.fixture(scope="module")
def endpoint(models: Many) -> Iterator[str]:
    for word in ("one", "two", "three"):
        models.add("shared", f"{word}.tar.gz", word)
    models.add("shared", "deep/er.tar.gz", "deep")
    name = models.many("shared")
    yield name
    models.delete(name)


def refused(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def metric(models: Many, endpoint: str, name: str, namespace: str = "AWS/SageMaker", statistic: str = "Sum") -> float:
    now = time.time()
    found = models.server.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=name, StartTime=now - 600, EndTime=now + 60, Period=3600, Statistics=[statistic],
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
    )["Datapoints"]
    return float(sum(point[statistic] for point in found))


def test_each_model_has_its_own_code_and_modules(models: Many, endpoint: str) -> None:
    said = {word: models.ask(endpoint, f"{word}.tar.gz") for word in ("one", "two", "three", "one", "two")}
    assert {word: answer[:2] for word, answer in said.items()} == {w: [w, w.upper()] for w in ("one", "two", "three")}
    assert len({answer[2] for answer in said.values()}) == 1, "all in one worker process"
    assert models.ask(endpoint, "deep/er.tar.gz")[0] == "deep"
    assert models.ask(endpoint, "/one.tar.gz")[0] == "one"


def test_the_target_model_must_be_given_where_there_are_many_and_only_there(models: Many, endpoint: str) -> None:
    code, status, message = refused(lambda: models.invoke(endpoint))
    assert (code, status) == ("ValidationError", 400)
    assert "TargetModel is required" in message
    code, status, message = refused(lambda: models.invoke(endpoint, TargetModel="none.tar.gz"))
    assert (code, status) == ("ValidationError", 400)
    assert f"bucket: {models.bucket}, key: shared/none.tar.gz" in message
    single = models.deploy()
    assert "TargetModel cannot be given" in refused(lambda: models.invoke(single, TargetModel="one.tar.gz"))[2]
    models.delete(single)


def test_a_model_that_cannot_be_loaded_says_why_and_harms_no_other(models: Many, endpoint: str) -> None:
    models.add("shared", "bad.tar.gz", "bad", "raise SystemExit('weights of another version')")
    code, status, message = refused(lambda: models.ask(endpoint, "bad.tar.gz"))
    assert (code, status) == ("ModelError", 424)
    assert "weights of another version" in message
    models.put("shared/torn.tar.gz", b"no archive")
    code, _, message = refused(lambda: models.ask(endpoint, "torn.tar.gz"))
    assert code == "ValidationError"
    assert "Unable to extract model data archive" in message
    models.add("shared", "bad.tar.gz", "mended")
    assert models.ask(endpoint, "bad.tar.gz")[0] == "mended", "the next request fetches what lies there now"
    assert models.ask(endpoint, "one.tar.gz")[0] == "one"


def test_a_model_s_own_404_is_its_answer(models: Many, endpoint: str) -> None:
    models.add("shared", "picky.tar.gz", "x", """
        class Missing(Exception):
            status = 404
        def model_fn(d):
            return None
        def transform_fn(model, body, kind, accept):
            raise Missing("no such customer")
    """)
    with pytest.raises(ClientError) as caught:
        models.ask(endpoint, "picky.tar.gz")
    assert (caught.value.response["OriginalStatusCode"], caught.value.response["OriginalMessage"]) == (404, "no such customer")


def test_a_model_that_loads_for_long_is_not_ready_yet_and_others_answer_meanwhile(models: Many) -> None:
    go = models.name("go")
    models.add("slow", "slow.tar.gz", "slow", f"""
        import boto3, time
        def model_fn(d):
            while not boto3.client("s3").list_objects_v2(Bucket={models.bucket!r}, Prefix={go!r}).get("KeyCount"):
                time.sleep(0.02)  # another process, which tells nobody
            return None
        def transform_fn(model, body, kind, accept):
            return "at last", "text/plain"
    """)
    models.add("slow", "fast.tar.gz", "fast")
    name = models.many("slow", env={"SAGEWRIGHT_MULTI_MODEL_WAIT_SECONDS": "1"})
    models.ask(name, "fast.tar.gz")
    code, status, _ = refused(lambda: models.ask(name, "slow.tar.gz"))
    assert (code, status) == ("ModelNotReadyException", 429)
    assert models.ask(name, "fast.tar.gz")[0] == "fast"
    models.put(go, b"")
    until(lambda: _answers(models, name, "slow.tar.gz") == ["at", "last"])
    models.delete(name)


def _answers(models: Many, endpoint: str, target: str) -> list[str] | None:
    try:
        return models.ask(endpoint, target)
    except models.runtime.exceptions.ModelNotReadyException:
        return None


EATS = """
    def model_fn(d):
        with open("/opt/ml/loads", "a") as file:
            file.write(d.split("/")[-2][:8] + " ")
        return bytearray(48 << 20)

    def transform_fn(model, body, kind, accept):
        return open("/opt/ml/loads").read(), "text/plain"
"""


def test_the_least_recently_used_model_leaves_memory_when_another_needs_it(models: Many) -> None:
    for word in ("a", "b", "c"):
        models.add("large", f"{word}.tar.gz", word, EATS)
    name = models.many("large", env={"SAGEWRIGHT_MULTI_MODEL_MEMORY_MB": "150"})
    for word in ("a", "b", "a", "c"):  # two fit: b has to go for c
        loads = models.ask(name, f"{word}.tar.gz")
    a, b, c = loads
    assert len({a, b, c}) == 3
    assert models.ask(name, "a.tar.gz") == [a, b, c], "a is still there"
    assert models.ask(name, "b.tar.gz") == [a, b, c, b]
    until(lambda: metric(models, name, "ModelUnloadingTime", statistic="SampleCount") >= 2)
    models.delete(name)


def test_files_leave_the_disk_when_others_need_it(models: Many) -> None:
    for word in ("a", "b", "c"):
        models.put(f"wide/{word}.tar.gz", archive(code__inference_py="""
            import os
            def model_fn(d):
                return d
            def transform_fn(model, body, kind, accept):
                return " ".join(sorted(os.listdir("/opt/ml/models"))), "text/plain"
        """, data=os.urandom(1 << 20).hex()))
    name = models.many("wide", env={"SAGEWRIGHT_MULTI_MODEL_DISK_MB": "7"})
    seen = [set(models.ask(name, f"{word}.tar.gz")) for word in ("a", "b", "a", "c")]
    assert len(seen[2]) == 2
    last = set(models.ask(name, "c.tar.gz"))
    assert len(last) <= 2
    assert not (seen[1] - seen[0]) & last, "b was used least recently"
    assert models.ask(name, "b.tar.gz")
    models.delete(name)


def test_without_a_cache_nothing_stays(models: Many) -> None:
    models.add("once", "m.tar.gz", "first")
    name = models.many("once", cache="Disabled")
    assert models.ask(name, "m.tar.gz")[0] == "first"
    models.add("once", "m.tar.gz", "second")
    assert until(lambda: models.ask(name, "m.tar.gz")[0] == "second", 5)
    models.delete(name)


def test_with_a_cache_what_was_loaded_stays(models: Many, endpoint: str) -> None:
    models.add("shared", "kept.tar.gz", "first")
    assert models.ask(endpoint, "kept.tar.gz")[0] == "first"
    models.s3.delete_object(Bucket=models.bucket, Key="shared/kept.tar.gz")
    assert models.ask(endpoint, "kept.tar.gz")[0] == "first"


def test_a_killed_worker_loses_nothing(models: Many) -> None:
    for n in range(4):
        models.add("killed", f"{n}.tar.gz", f"w{n}")
    mark = models.name("mark")
    name = models.many("killed", workers=2, env={"MARK": mark})
    first = [models.ask(name, f"{n}.tar.gz") for n in range(4)]
    assert len({answer[2] for answer in first}) == 2, "spread over the workers"
    for pid in _workers(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def ask(n: int) -> str:
        try:
            return models.ask(name, f"{n}.tar.gz")[0]
        except ClientError as e:  # the gateway may not have heard yet that a worker on another node is dead
            if e.response["OriginalStatusCode"]:
                raise
            return models.ask(name, f"{n}.tar.gz")[0]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["w0", "w1", "w2", "w3"]
    models.delete(name)


def test_models_stay_loaded_when_the_server_is_killed(own_server: TestServer) -> None:
    models = Many(own_server)
    for word in ("a", "b"):
        models.add("kept", f"{word}.tar.gz", word, EATS)
    name = models.many("kept")
    a, b = [models.ask(name, f"{word}.tar.gz") for word in ("a", "b")][-1]
    own_server.kill()
    own_server.start()
    assert models.ask(name, "a.tar.gz") == [a, b], "nothing was loaded anew"
    models.delete(name)


def test_each_model_is_on_one_instance(models: Many) -> None:
    for n in range(16):
        models.add("two", f"{n}.tar.gz", f"w{n}", """
            import os
            def model_fn(d):
                return None
            def transform_fn(model, body, kind, accept):
                return str(os.stat("/opt/ml").st_ino), "text/plain"
        """)
    name = models.many("two", count=2)
    where = [{tuple(models.ask(name, f"{n}.tar.gz")) for _ in range(3)} for n in range(16)]
    assert all(len(instances) == 1 for instances in where)
    assert len(set.union(*where)) == 2
    models.delete(name)


def _workers(mark: str) -> list[int]:
    """The processes of an endpoint's model servers, by a variable that only they have."""
    return [p.pid for p in living(lambda p: p.environ().get("MARK") == mark)]


def test_metrics(models: Many, endpoint: str) -> None:
    models.add("shared", "measured.tar.gz", "m")
    for _ in range(3):
        models.ask(endpoint, "measured.tar.gz")
    for name in ("ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime"):
        assert until(lambda name=name: metric(models, endpoint, name)) > 0
    assert until(lambda: metric(models, endpoint, "ModelCacheHit") >= 2)
    assert until(lambda: metric(models, endpoint, "LoadedModelCount", "/aws/sagemaker/Endpoints", "Maximum") >= 1)
    until(lambda: metric(models, endpoint, "Invocations") >= 3)


def test_a_policy_may_name_the_models(server: TestServer, models: Many, endpoint: str) -> None:
    iam = server.client("iam")
    user = models.name("user")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*",
        "Condition": {"StringLike": {"sagemaker:TargetModel": "one*"}},
    }]}))
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    runtime = server.client("sagemaker-runtime", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    assert runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x", TargetModel="one.tar.gz")["Body"].read().startswith(b"one ")
    assert refused(lambda: runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x", TargetModel="two.tar.gz"))[0] == "AccessDeniedException"


@pytest.mark.parametrize(("container", "text"), [
    ({"Mode": "MultiModel"}, "needs a ModelDataUrl"),
    ({"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}, "needs Mode MultiModel"),
])
def test_models_that_cannot_be(models: Many, container: dict[str, Any], text: str) -> None:
    assert text in refused(lambda: models.sagemaker.create_model(ModelName="x", PrimaryContainer={"Image": PYTHON, **container}))[2]


def test_requests_of_a_queue_name_no_model(models: Many) -> None:
    name = models.name()
    models.sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer={
        "Image": PYTHON, "Mode": "MultiModel", "ModelDataUrl": f"s3://{models.bucket}/queue/",
    })
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    _, _, message = refused(lambda: models.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{models.bucket}/out"}},
    ))
    assert "cannot have a MultiModel container" in message


OWN_SERVER = """
import json, os, socket, threading
loaded, calls = {}, []

def answer(method, path, body):
    parts = path.strip("/").split("/")
    if parts == ["ping"]:
        return 200, b""
    if parts == ["models"] and method == "POST":
        said = json.loads(body)
        if said["model_name"] in loaded:
            return 409, b""
        if len(loaded) == 2:
            return 507, b"room for two"
        with open(said["url"] + "/word") as file:
            loaded[said["model_name"]] = file.read()
        calls.append("+" + loaded[said["model_name"]])
        return 200, b""
    if parts[1] not in loaded:
        return 404, b""
    if method == "DELETE":
        calls.append("-" + loaded.pop(parts[1]))
        return 200, b""
    return 200, json.dumps([loaded[parts[1]], parts[1], calls]).encode()

def serve(conn):
    with conn, conn.makefile("rb") as reader:
        while True:
            line, length = reader.readline(), 0
            if not line:
                return
            while (header := reader.readline().strip().lower()):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            method, path, _ = line.decode().split()
            status, body = answer(method, path, reader.read(length))
            conn.sendall(b"HTTP/1.1 %d x\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(body)) + body)

assert os.environ["SAGEMAKER_MULTI_MODEL"] == "true"
with socket.create_server(("0.0.0.0", 8080)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


def test_a_container_that_somebody_else_wrote(server: TestServer, models: Many, tmp_path: Path) -> None:
    root = containers.root(tmp_path / "root", programs=("sh",))
    words = containers.python(root, "os, socket, threading, json, encodings.idna")
    image = Container(
        [containers.tar_of(root), tar([("srv/serve.py", OWN_SERVER)])],
        {"Entrypoint": ["sh", "-c", f"exec {' '.join(words)} /srv/$0.py"], "Env": [containers.PYTHON_ENV, "PATH=/bin"]}, compress=False,
    )
    sources.import_path(Blobs(server.data / "oci"), parse("many/own:1"), image.layout(tmp_path / "layout"), {})
    for word in ("a", "b", "c"):
        models.put(f"own/{word}.tar.gz", archive(word=word))
    name = models.name()
    models.sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer={
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/many/own:1", "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{models.bucket}/own/",
    })
    endpoint = models.endpoint(models.config(name))
    about = models.settled(endpoint, 120)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    for target in ("a", "b", "a", "c"):
        word, opaque, calls = json.loads(models.invoke(endpoint, b"x", TargetModel=f"{target}.tar.gz")["Body"])
        assert word == target
        assert len(opaque) == 64, "a name that says nothing of the TargetModel"
    assert calls == ["+a", "+b", "-b", "+c"], "after its 507 the least recently used model went"
    models.delete(endpoint)

"""The contract tests of jobs again, with the jobs on a Ray cluster of three nodes, and what only a cluster has."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

pytest.importorskip("ray")
from sagewright.testing.ray import LocalCluster
from sagewright.testing.waiting import until

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(600)]

CONTRACT = Path(__file__).parent.parent / "contract"


def contract(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract_on_ray_{name}", CONTRACT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# what a caller sees does not differ; left out is what looks at the local backend's own folders, and what fills four GiB: an instance
# whose memory ends on a node is in test_modes_on_ray
LOCAL = {"test_platform_fault_is_an_internal_error", "test_no_capacity", "test_out_of_memory"}
training, failures, processing = contract("test_training"), contract("test_training_failures"), contract("test_processing")
for _module in (training, failures):
    globals().update({name: test for name, test in vars(_module).items() if name.startswith("test_") and name not in LOCAL})
globals().update({
    name.replace("test_", "test_processing_", 1): test for name, test in vars(processing).items() if name.startswith("test_")
})
s3, sagemaker, run = processing.s3, processing.sagemaker, processing.run
hosting = contract("test_hosting")
SERVED = {
    "test_body_type_and_attributes_come_back", "test_a_body_above_the_limit", "test_a_model_s_error_is_a_model_error", "test_streams_arrive_in_parts",
    "test_weights_and_target_variant", "test_a_container_that_dies_fails_the_endpoint", "test_a_failed_update_keeps_the_old_model",
    "test_scale_out_and_in", "test_a_model_that_kills_its_worker_comes_back", "test_metrics_of_an_endpoint",
}
globals().update({name.replace("test_", "test_hosting_", 1): getattr(hosting, name) for name in sorted(SERVED)})
models = contract("conftest").models
transform: Any = contract("test_transform")


@pytest.fixture
def echo(models: Any) -> Iterator[str]:
    """For one test: three hosts of a job need the whole cluster."""
    yield (name := models.deploy())
    models.delete(name)


@pytest.fixture(autouse=True)
def room(server: TestServer) -> Iterator[None]:
    """What a test has deployed is gone after it."""
    yield
    sagemaker = server.client("sagemaker")
    for one in sagemaker.list_endpoints()["Endpoints"]:
        with contextlib.suppress(ClientError):  # it is on its way already
            sagemaker.delete_endpoint(EndpointName=one["EndpointName"])
    until(lambda: not sagemaker.list_endpoints()["Endpoints"])


def test_a_batch_transform_job(models: Any) -> None:
    """Two instances on two nodes, their requests over the relays."""
    model = models.model(transform.ECHO)
    for n in range(8):
        models.put(f"many/{n}", str(n))
    name = transform.start(
        models, model, f"s3://{models.bucket}/many/", input={"ContentType": "text/plain"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    assert transform.ended(models, name)["TransformJobStatus"] == "Completed"
    assert transform.results(models, name) == {f"{n}.out": str(n).encode() for n in range(8)}


@pytest.fixture(scope="module")
def server(ray_server: TestServer) -> TestServer:
    return ray_server


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "ray-bucket")


def cluster_of(count: int, kind: str = "ml.m5.large") -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": kind, "InstanceCount": count, "VolumeSizeInGB": 1}}


RING = """
import json, os, socket
config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
me, hosts = config['current_host'], config['hosts']
at = hosts.index(me)
listening = socket.create_server(('0.0.0.0', 7000))
onward = None
for _ in range(600):
    try:
        onward = socket.create_connection((hosts[(at + 1) % len(hosts)], 7000), 5)
        break
    except OSError:
        import time; time.sleep(0.05)
back, _ = listening.accept()
onward.sendall((me + '\\n').encode())
print('heard', back.makefile().readline().strip(), flush=True)
open('/opt/ml/model/' + me, 'w').write(me)
"""


def test_three_hosts_talk_to_each_other_on_one_port(jobs: Jobs) -> None:
    name = jobs.train(RING, **cluster_of(3))
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    assert sorted(jobs.log(name).splitlines()) == ["heard algo-1", "heard algo-2", "heard algo-3"]
    assert sorted(jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])) == ["algo-1", "algo-2", "algo-3"]


def test_the_hosts_of_a_job_are_spread_over_the_nodes(jobs: Jobs, ray_cluster: LocalCluster, server: TestServer) -> None:
    name = jobs.train("import time\nprint('up', flush=True)\nwhile True: time.sleep(1)", **cluster_of(3))
    jobs.until(name, ["Training"])
    places = [json.loads(path.read_text()) for path in server.data.glob(f"ray/tasks/*-{name}-*/place.json")]
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"
    assert {place["address"] for place in places} == set(ray_cluster.state()["nodes"])
    assert {place["cpus"] for place in places} == {2.0}


def test_logs_come_while_the_job_runs(jobs: Jobs) -> None:
    name = jobs.train("""
import time
for number in range(10_000):
    print('line', number, flush=True)
    time.sleep(0.05)
""")
    jobs.until(name, ["Training"])
    until(lambda: len(jobs.log(name).splitlines()) >= 3, why=lambda: jobs.log(name))
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.ended(name)
    lines = jobs.log(name).splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]


def test_a_job_waits_for_room_and_then_runs(jobs: Jobs) -> None:
    """Three hosts of eight processors fill the cluster; nobody is refused, and a stop frees one that waits."""
    wait = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)"
    first = jobs.train(wait, **cluster_of(3, "ml.m5.2xlarge"))
    jobs.until(first, ["Training"])
    second, third = jobs.train("print('at last')"), jobs.train("print('never')")
    time.sleep(1.0)
    assert jobs.sagemaker.describe_training_job(TrainingJobName=second)["SecondaryStatus"] == "Starting"
    jobs.sagemaker.stop_training_job(TrainingJobName=third)
    assert jobs.ended(third)["TrainingJobStatus"] == "Stopped"
    jobs.sagemaker.stop_training_job(TrainingJobName=first)
    jobs.ended(first)
    assert jobs.ended(second)["TrainingJobStatus"] == "Completed"
    assert jobs.log(third) == ""


def test_many_at_once_lose_nothing(jobs: Jobs) -> None:
    code = "for n in range(200): print('line', n)\nopen('/opt/ml/model/m', 'w').write('1')"
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(jobs.train(code))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        job = jobs.ended(name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert jobs.log(name).splitlines() == [f"line {n}" for n in range(200)]


def test_metrics_and_use_of_a_node_arrive_once(jobs: Jobs, server: TestServer) -> None:
    name = jobs.train(
        "for n in range(20): print(f'loss={n};', flush=True)",
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
    )
    job = jobs.ended(name)
    assert job["FinalMetricDataList"][0]["Value"] == 19.0
    found = server.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs", MetricName="loss", Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        StartTime=time.time() - 600, EndTime=time.time() + 60, Period=3600, Statistics=["SampleCount", "Sum"],
    )["Datapoints"]
    assert (sum(p["SampleCount"] for p in found), sum(p["Sum"] for p in found)) == (20.0, 190.0)


def test_keys_of_a_task_open_only_its_own_objects(jobs: Jobs, ray_cluster: LocalCluster, server: TestServer) -> None:
    """The keys that lie on the node: not for the job, and good for nothing but the job's inputs and outputs."""
    secret = jobs.put("elsewhere/secret", "no")
    name = jobs.train("import time\nprint('up', flush=True)\nwhile True: time.sleep(1)", data=jobs.put("mine/a", "1"))
    jobs.until(name, ["Training"])
    stored = [json.loads(path.read_text()) for path in ray_cluster.folder.glob(f"nodes/*/*/jobs/*-{name}-*/storage.json")]
    assert len(stored) == 1
    keys = {
        "aws_access_key_id": stored[0]["access_key"], "aws_secret_access_key": stored[0]["secret_key"],
        "aws_session_token": stored[0]["session_token"],
    }
    import boto3

    s3 = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys)
    assert s3.get_object(Bucket="ray-bucket", Key="mine/a")["Body"].read() == b"1"
    for call in (
        lambda: s3.get_object(Bucket="ray-bucket", Key=secret.rpartition("ray-bucket/")[2]),
        lambda: s3.put_object(Bucket="ray-bucket", Key="mine/a", Body=b"2"),
        lambda: boto3.client("sagemaker", endpoint_url=server.url, region_name="us-east-1", **keys).list_training_jobs(),
    ):
        with pytest.raises(Exception, match="AccessDenied"):
            call()
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.ended(name)

    def refused() -> str:
        try:
            s3.get_object(Bucket="ray-bucket", Key="mine/a")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    # the job is cleaned up behind its end
    assert until(refused, why=lambda: "the keys outlive the job") == "InvalidAccessKeyId"

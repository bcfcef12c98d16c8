"""Endpoints, batch transform and processing jobs whose server is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

import psutil
from botocore.exceptions import WaiterError

from sagewright.testing.jobs import PYTHON
from sagewright.testing.models import Models
from sagewright.testing.waiting import until

from .conftest import Chaos


def says(word: str, begin: str = "") -> str:
    """A model that answers a word; ``begin`` runs while it is loaded."""
    return (f"import os, time\ndef model_fn(d):\n    {begin or 'pass'}\n    return None\n\n"
            f"def transform_fn(model, body, kind, accept):\n    return {word!r}, 'text/plain'\n")


HELD = "while not os.path.exists('/opt/ml/go'): time.sleep(0.02)"
"""Loading takes until ``let_go``: nothing tells a model's process of a file."""


def let_go(chaos: Chaos, endpoint: str) -> None:
    for task in chaos.data.glob(f"jobs/serve-{endpoint}-*"):
        (task / "ml" / "go").touch()


def deployed(models: Models, code: str) -> str:
    """An endpoint configuration of a model."""
    return models.config(models.model(code))


def ask(models: Models, endpoint: str) -> bytes:
    answer: bytes = models.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1", ContentType="text/csv")["Body"].read()
    return answer


def test_an_endpoint_being_created(chaos: Chaos) -> None:
    models = Models(chaos.server)
    name = models.endpoint(deployed(models, says("one", HELD)))
    chaos.restart()
    until(lambda: bool(chaos.inside()))
    assert models.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
    chaos.restart()
    let_go(chaos, name)
    about = models.settled(name)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    assert ask(models, name) == b"one"
    models.sagemaker.delete_endpoint(EndpointName=name)
    chaos.restart()
    chaos.settled()


def test_an_endpoint_in_service(chaos: Chaos) -> None:
    """The very model process goes on answering after the restart."""
    models = Models(chaos.server)
    name = models.endpoint(deployed(models, says("one")))
    models.settled(name)
    before = {p.pid for p in chaos.inside()}
    chaos.restart()
    assert ask(models, name) == b"one"
    assert {p.pid for p in chaos.inside()} == before
    models.sagemaker.delete_endpoint(EndpointName=name)
    chaos.settled()


def test_an_endpoint_being_updated(chaos: Chaos) -> None:
    """The old model answers until the new one is ready; the update is finished after the restart."""
    models = Models(chaos.server)
    name = models.endpoint(deployed(models, says("one")))
    models.settled(name)
    old = {p.pid for p in chaos.inside()}
    models.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=deployed(models, says("two", HELD))
    )
    until(lambda: len(chaos.inside()) > len(old))
    chaos.restart()
    assert models.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    answers = [ask(models, name)]
    assert answers[0] == b"one"
    let_go(chaos, name)
    while models.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        answers.append(ask(models, name))
    assert sorted(answers) == answers, "never back"
    about = models.settled(name)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    assert ask(models, name) == b"two"
    until(lambda: not old & {p.pid for p in chaos.inside()}, why=lambda: "the old model stays")
    models.sagemaker.delete_endpoint(EndpointName=name)
    chaos.settled()


def test_an_update_that_fails_across_a_restart(chaos: Chaos) -> None:
    models = Models(chaos.server)
    name = models.endpoint(deployed(models, says("one")))
    models.settled(name)
    broken = deployed(models, says("two", "time.sleep(1); raise ValueError('this model is broken')"))
    models.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken)
    chaos.restart()
    until(lambda: models.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Updating", 60)
    about = models.sagemaker.describe_endpoint(EndpointName=name)
    assert about["EndpointConfigName"] != broken
    assert about["EndpointStatus"] == "InService"
    assert ask(models, name) == b"one"
    models.sagemaker.delete_endpoint(EndpointName=name)
    chaos.settled()


def test_a_model_process_that_is_killed(chaos: Chaos) -> None:
    """It comes back, with and without a server that looks."""
    models = Models(chaos.server)
    name = models.endpoint(deployed(models, says("one")))
    models.settled(name)

    def answers() -> bool:
        with contextlib.suppress(models.runtime.exceptions.ClientError):
            return ask(models, name) == b"one"
        return False

    for process in chaos.inside():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    until(answers, 30)
    chaos.server.kill()
    for process in chaos.inside():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    chaos.server.start()
    until(answers, 30)
    models.sagemaker.delete_endpoint(EndpointName=name)
    chaos.settled()


SLOW = says("", "pass").replace("return '', 'text/plain'", "time.sleep(0.15); return body, 'text/plain'")


def transform(models: Models, model: str, source: str) -> str:
    name = models.name("t")
    models.sagemaker.create_transform_job(
        TransformJobName=name, ModelName=model,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}},
        TransformOutput={"S3OutputPath": f"s3://{models.bucket}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    return name


def test_a_transform(chaos: Chaos) -> None:
    """Killed three times: each file comes out once, whole; what was written before is not written again."""
    models = Models(chaos.server)
    for number in range(10):
        models.put(f"in/{number}", f"row {number}\n" * 1000)
    name = transform(models, models.model(SLOW), f"s3://{models.bucket}/in/")
    written: dict[str, Any] = {}
    for least in (0, 2, 5):
        until(lambda: len(models.keys(f"{name}/out/")) >= least, 60)  # noqa: B023
        chaos.restart()
        now = {o["Key"]: o["LastModified"] for o in models.s3.list_objects_v2(Bucket=models.bucket, Prefix=f"{name}/out/").get("Contents", [])}
        assert {k: now[k] for k in written} == written, "done once is done"
        written = now
    with contextlib.suppress(WaiterError):
        models.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
    about = models.sagemaker.describe_transform_job(TransformJobName=name)
    assert about["TransformJobStatus"] == "Completed", about.get("FailureReason")
    found = {key.rpartition("/")[2]: models.get(key) for key in models.keys(f"{name}/out/")}
    assert found == {f"{n}.out": f"row {n}\n".encode() * 1000 for n in range(10)}
    chaos.settled()


def test_a_transform_whose_agent_is_killed(chaos: Chaos) -> None:
    """It ends, with a reason or with everything done; no model stays."""
    models = Models(chaos.server)
    for number in range(6):
        models.put(f"in/{number}", f"{number}")
    name = transform(models, models.model(SLOW), f"s3://{models.bucket}/in/")
    until(lambda: len(models.keys(f"{name}/out/")) >= 1, 60)
    os.kill(chaos.agent(name), signal.SIGKILL)
    with contextlib.suppress(WaiterError):
        models.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
    about = models.sagemaker.describe_transform_job(TransformJobName=name)
    if about["TransformJobStatus"] == "Completed":
        assert len(models.keys(f"{name}/out/")) == 6
    else:
        assert about["TransformJobStatus"] == "Failed"
        assert about["FailureReason"]
    chaos.settled()


CONTINUOUS = """
import os, time
out = '/opt/ml/processing/output/'
for number in range(100000):
    open(out + 'passing', 'w').write('x' * number)
    open(out + 'part-%d' % (number // 10), 'a').write('%d\\n' % number)
    print('step', number, flush=True)
    if os.path.exists('/opt/ml/processing/go'):
        break
    time.sleep(0.02)
os.unlink(out + 'passing')
print('end', number, flush=True)
"""


def test_processing_with_continuous_outputs(chaos: Chaos) -> None:
    """Outputs go on being stored while no server is there; in the end the prefix is what the folder is."""
    jobs = chaos.jobs
    name = jobs.name("process")
    code = jobs.put(f"code/{name}/main.py", CONTINUOUS)
    jobs.sagemaker.create_processing_job(
        ProcessingJobName=name, RoleArn=jobs.role,
        AppSpecification={"ImageUri": PYTHON, "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"]},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        ProcessingInputs=[{"InputName": "code", "S3Input": {
            "S3Uri": code, "LocalPath": "/opt/ml/processing/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {
            "S3Uri": f"s3://{jobs.bucket}/{name}", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "Continuous"}}]},
    )

    def keys() -> list[str]:
        return [o["Key"] for o in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=f"{name}/").get("Contents", [])]

    until(lambda: len(keys()) > 1, 60)
    before = {p.pid for p in chaos.inside()}
    stored = len(keys())
    chaos.server.kill()
    bucket = chaos.data / "objects" / "buckets" / jobs.bucket / name
    until(lambda: len(list(bucket.iterdir())) > stored + 1)
    assert {p.pid for p in chaos.inside()} == before
    chaos.server.start()
    assert jobs.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "InProgress"
    (chaos.folder(name) / "ml" / "processing" / "go").touch()

    def about() -> dict[str, Any]:
        found: dict[str, Any] = jobs.sagemaker.describe_processing_job(ProcessingJobName=name)
        return found

    until(lambda: about()["ProcessingJobStatus"] != "InProgress", 60)
    assert about()["ProcessingJobStatus"] == "Completed", about().get("FailureReason")
    log = jobs.log(name, "/aws/sagemaker/ProcessingJobs").splitlines()
    last = int(log[-1].split()[1])
    assert log == [f"step {n}" for n in range(last + 1)] + [f"end {last}"]
    content = b"".join(jobs.get(f"s3://{jobs.bucket}/{name}/part-{n}") for n in range(last // 10 + 1))
    assert content == b"".join(b"%d\n" % n for n in range(last + 1))
    assert f"{name}/passing" not in keys()
    chaos.settled()


def test_deletes_are_remembered(chaos: Chaos) -> None:
    """What was created and deleted before the kill: the one stays, the other does not come back."""
    models = Models(chaos.server)
    kept, gone = models.model(), models.model()
    models.sagemaker.delete_model(ModelName=gone)
    chaos.restart()
    names = [m["ModelName"] for m in models.sagemaker.list_models()["Models"]]
    assert kept in names
    assert gone not in names
    assert time.time() - models.sagemaker.describe_model(ModelName=kept)["CreationTime"].timestamp() < 120

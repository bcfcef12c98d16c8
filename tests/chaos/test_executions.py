"""Executions of pipelines whose server is killed in the middle."""

from __future__ import annotations

import json

import pytest

from sagewright.testing.components import MODEL
from sagewright.testing.executions import Pipelines, condition, deployment, get, parameter
from sagewright.testing.jobs import PYTHON
from sagewright.testing.models import PYTHON as SERVING
from sagewright.testing.models import Models, archive
from sagewright.testing.waiting import until

from .conftest import Chaos


def package(pipelines: Pipelines) -> dict[str, object]:
    return {"Name": "Register", "Type": "RegisterModel", "Arguments": {
        "ModelPackageGroupName": "chaos", "InferenceSpecification": {
            "Containers": [{"Image": PYTHON, "ModelDataUrl": get("Steps.T3.ModelArtifacts.S3ModelArtifacts")}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}}}


@pytest.mark.timeout(300)
def test_no_step_is_lost_or_doubled(chaos: Chaos) -> None:
    """Killed while each step in turn runs, and once in between: each job runs once, its results go on."""
    pipelines = Pipelines(chaos.jobs)
    steps = [pipelines.training("T0", {"seconds": "0.4", "value": "7"})]
    steps += [
        pipelines.training(f"T{number}", {"seconds": "0.4", "value": get(f"Steps.T{number - 1}.HyperParameters.value")}) for number in range(1, 4)
    ]
    accuracy = {"Std:JsonGet": {"PropertyFile": get("Steps.Report.PropertyFiles.report"), "Path": "metrics.accuracy"}}
    steps += [
        pipelines.processing("Report", get("Steps.T3.HyperParameters.value")),
        condition("Good", accuracy, "Equals", 7.0, [package(pipelines)]),
    ]
    arn = pipelines.start(pipelines.create(steps))
    for name in ("T0", "T1", "T2", "T3", "Report"):
        until(lambda: name in pipelines.steps(arn))  # noqa: B023
        chaos.restart()
    execution = pipelines.ended(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)
    assert pipelines.statuses(arn) == dict.fromkeys(["T0", "T1", "T2", "T3", "Report", "Good", "Register"], "Succeeded")
    assert pipelines.model(pipelines.steps(arn)["T3"])["value"] == "7"
    jobs = pipelines.sagemaker.list_training_jobs(NameContains="pipelines-", MaxResults=100)["TrainingJobSummaries"]
    assert len(jobs) == 4, "one job a step"
    assert len(pipelines.sagemaker.list_model_packages(ModelPackageGroupName="chaos")["ModelPackageSummaryList"]) == 1
    for job in jobs:
        assert chaos.jobs.log(job["TrainingJobName"]).count("loss=7;") == 1, "each ran once"
    chaos.settled()


def test_stop_is_remembered(chaos: Chaos) -> None:
    """Asked for just before the server dies: the next one stops the job and begins nothing."""
    pipelines = Pipelines(chaos.jobs)
    arn = pipelines.start(pipelines.create([pipelines.training("Long", {"seconds": "300"}), pipelines.training("Next", DependsOn=["Long"])]))
    until(lambda: pipelines.statuses(arn).get("Long") == "Executing")
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    chaos.restart()
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.statuses(arn) == {"Long": "Stopped"}
    chaos.settled()


def test_an_answer_that_nobody_heard(chaos: Chaos) -> None:
    """A callback is answered, and the server dies: the next one takes the answer in, and does not ask again."""
    pipelines = Pipelines(chaos.jobs)
    sqs = chaos.server.client("sqs")
    queue = sqs.create_queue(QueueName="asked")["QueueUrl"]
    callback = {
        "Name": "Ask", "Type": "Callback", "SqsQueueUrl": queue, "Arguments": {}, "OutputParameters": [{"OutputName": "v", "OutputType": "String"}]}
    arn = pipelines.start(pipelines.create([callback, pipelines.training("Use", {"value": get("Steps.Ask.OutputParameters['v']")})]))
    token = json.loads(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"])["token"]
    until(lambda: pipelines.statuses(arn).get("Ask") == "Executing")
    chaos.restart()
    pipelines.sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=[{"Name": "v", "Value": "told"}])
    chaos.restart()
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert pipelines.model(pipelines.steps(arn)["Use"])["value"] == "told"
    assert "Messages" not in sqs.receive_message(QueueUrl=queue), "asked once"
    chaos.settled()


@pytest.mark.timeout(300)
def test_a_deployment_goes_on(chaos: Chaos) -> None:
    """Killed as soon as an endpoint is asked for, and as soon as its update is: the step ends with the endpoint that it is about."""
    pipelines, models, endpoint = Pipelines(chaos.jobs), Models(chaos.server), "killed"
    data = models.put("model.tar.gz", archive(code__inference_py=MODEL))
    name = pipelines.create(
        deployment(endpoint, models.role, SERVING), [parameter("Says", "String"), parameter("Data", "String", data)]
    )
    for says in ("one", "two"):
        arn = pipelines.start(name, {"Says": says})
        until(lambda: "Deploy" in pipelines.steps(arn))  # noqa: B023
        chaos.restart()
        assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)
        assert models.invoke(endpoint, "x", ContentType="text/csv")["Body"].decode().startswith(f"{says} ")
    models.sagemaker.delete_endpoint(EndpointName=endpoint)

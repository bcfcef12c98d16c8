"""Executions of pipelines by boto3, with real jobs for steps."""

from __future__ import annotations

import itertools
import json
import re
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.executions import Pipelines, condition, definition, fail, get, parameter
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.tuning import BOWL, Tunings
from sagewright.testing.waiting import until

ACCURACY = {"Std:JsonGet": {"PropertyFile": get("Steps.Report.PropertyFiles.report"), "Path": "metrics.accuracy"}}
PARAMETERS = [parameter("Accuracy", "Float", 0.9), parameter("Least", "Float", 0.5), parameter("Team", "String", "red")]


@pytest.fixture(scope="module")
def pipelines(server: TestServer) -> Pipelines:
    return Pipelines(Jobs(server, "pipelines-bucket"))


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def classic(pipelines: Pipelines) -> list[dict[str, Any]]:
    """Train, report, and register where the report is good; in an order that is not that of their dependencies."""
    package = {"Name": "Register", "Type": "RegisterModel", "Arguments": {
        "ModelPackageGroupName": get("Parameters.Team"),
        "InferenceSpecification": {
            "Containers": [{"Image": PYTHON, "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        }}}
    model = {"Name": "Model", "Type": "Model", "Arguments": {
        "ExecutionRoleArn": pipelines.jobs.role,
        "PrimaryContainer": {"Image": PYTHON, "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}}}
    message = {"Std:Join": {"On": " ", "Values": ["an accuracy of", ACCURACY, "is less than", get("Parameters.Least")]}}
    return [
        condition("Good", ACCURACY, "GreaterThanOrEqualTo", get("Parameters.Least"), [package, model], [fail("Bad", message)]),
        pipelines.processing("Report", get("Parameters.Accuracy"), DependsOn=["Train"], CacheConfig={"Enabled": True, "ExpireAfter": "30d"}),
        pipelines.training("Train", {"value": get("Parameters.Accuracy")}, CacheConfig={"Enabled": True, "ExpireAfter": "P30D"},
                           DisplayName="the training", Description="trains"),
    ]


def test_every_step_is_carried_out_and_the_second_time_from_the_cache(pipelines: Pipelines) -> None:
    team = f"team-{uuid.uuid4().hex[:8]}"
    name = pipelines.create(classic(pipelines), PARAMETERS, PipelineExperimentConfig={
        "ExperimentName": get("Execution.PipelineName"), "TrialName": get("Execution.PipelineExecutionId")})
    arn = pipelines.start(name, {"Team": team})
    execution = pipelines.ended(arn)
    id_ = arn.rpartition("/")[2]
    assert re.fullmatch(rf"arn:aws:sagemaker:us-east-1:\d{{12}}:pipeline/{name.lower()}/execution/[a-z0-9]{{12}}", arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", (execution.get("FailureReason"), pipelines.steps(arn))
    assert execution["PipelineExperimentConfig"] == {"ExperimentName": name, "TrialName": id_}
    steps = pipelines.steps(arn)
    assert list(steps)[:3] == ["Train", "Report", "Good"]
    assert pipelines.statuses(arn) == dict.fromkeys(["Train", "Report", "Good", "Register", "Model"], "Succeeded")
    train = steps["Train"]
    assert (train["StepDisplayName"], train["StepDescription"], train["AttemptCount"]) == ("the training", "trains", 1)
    assert train["StartTime"] <= train["EndTime"] <= steps["Report"]["StartTime"]
    assert re.fullmatch(rf"pipelines-{id_}-train-[a-z0-9]{{10}}", train["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2])
    assert pipelines.job(train)["HyperParameters"] == {"value": "0.9"}, "a number became a text"
    assert steps["Good"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    package = pipelines.sagemaker.describe_model_package(ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"])
    artifact = pipelines.job(train)["ModelArtifacts"]["S3ModelArtifacts"]
    assert package["ModelPackageGroupName"] == team
    assert package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact
    model = pipelines.sagemaker.describe_model(ModelName=steps["Model"]["Metadata"]["Model"]["Arn"].rpartition("/")[2])
    assert model["PrimaryContainer"]["ModelDataUrl"] == artifact
    components = pipelines.sagemaker.list_trial_components(TrialName=id_)["TrialComponentSummaries"]
    assert {c["DisplayName"] for c in components} == {"the-training", "Report"}

    again = pipelines.start(name, {"Team": team})
    assert pipelines.ended(again)["PipelineExecutionStatus"] == "Succeeded"
    cached = pipelines.steps(again)
    for step in ("Train", "Report"):
        assert cached[step]["CacheHitResult"] == {"SourcePipelineExecutionArn": arn}
        assert cached[step]["Metadata"] == steps[step]["Metadata"]
    assert "CacheHitResult" not in cached["Model"]
    assert cached["Register"]["Metadata"] != steps["Register"]["Metadata"]
    other = pipelines.start(name, {"Team": team, "Accuracy": "0.8"})
    pipelines.ended(other)
    assert "CacheHitResult" not in pipelines.steps(other)["Train"], "another hyperparameter"


def test_the_other_branch_ends_with_its_own_words(pipelines: Pipelines) -> None:
    arn = pipelines.start(pipelines.create(classic(pipelines), PARAMETERS), {"Least": "0.95"})
    execution = pipelines.ended(arn)
    assert (execution["PipelineExecutionStatus"], execution["FailureReason"]) == ("Failed", "an accuracy of 0.9 is less than 0.95")
    steps = pipelines.steps(arn)
    assert list(steps) == ["Train", "Report", "Good", "Bad"], "the branch that was not taken is absent"
    assert steps["Good"]["Metadata"]["Condition"]["Outcome"] == "False"
    assert steps["Bad"]["Metadata"] == {"Fail": {"ErrorMessage": "an accuracy of 0.9 is less than 0.95"}}
    assert pipelines.sagemaker.list_pipeline_executions(PipelineName=arn.split("/")[1])["PipelineExecutionSummaries"][0][
        "PipelineExecutionFailureReason"] == execution["FailureReason"]


def test_a_failure_keeps_dependents_from_beginning_and_no_one_else(pipelines: Pipelines) -> None:
    name = pipelines.create([
        pipelines.training("A", {"fail": "there was no salt"}),
        pipelines.training("AfterA", DependsOn=["A"]),
        pipelines.training("B", {"seconds": "0.5"}),
        pipelines.training("AfterB", DependsOn=["B"]),
    ])
    arn = pipelines.start(name)
    execution = pipelines.ended(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    assert pipelines.statuses(arn) == {"A": "Failed", "B": "Succeeded", "AfterB": "Succeeded"}
    assert "there was no salt" in pipelines.steps(arn)["A"]["FailureReason"]
    # once more: what succeeded stays
    before = pipelines.steps(arn)
    pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    after = pipelines.steps(arn)
    assert {n: after[n]["Metadata"] for n in ("B", "AfterB")} == {n: before[n]["Metadata"] for n in ("B", "AfterB")}
    assert after["A"]["Metadata"] != before["A"]["Metadata"], "another job"


def test_steps_for_the_case_of_a_failure(pipelines: Pipelines) -> None:
    """Triggers of SDK v3's StepDependency."""
    name = pipelines.create([
        pipelines.training("A", {"fail": "no"}),
        pipelines.training("IfFailed", DependsOn=[{"Step": "A", "Trigger": "Failed"}]),
        pipelines.training("Always", DependsOn=[{"Step": "A", "Trigger": "Any"}]),
        pipelines.training("IfStopped", DependsOn=[{"Step": "A", "Trigger": "Stopped"}]),
    ])
    arn = pipelines.start(name)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert pipelines.statuses(arn) == {"A": "Failed", "IfFailed": "Succeeded", "Always": "Succeeded"}


def test_stop_stops_the_jobs(pipelines: Pipelines) -> None:
    name = pipelines.create([pipelines.training("Long", {"seconds": "300"}), pipelines.training("Next", DependsOn=["Long"])])
    arn = pipelines.start(name)
    until(lambda: pipelines.statuses(arn).get("Long") == "Executing")
    assert "running" in refused(pipelines.sagemaker.delete_pipeline, PipelineName=name)[1]
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.statuses(arn) == {"Long": "Stopped"}
    assert pipelines.job(pipelines.steps(arn)["Long"])["TrainingJobStatus"] == "Stopped"
    code, message = refused(pipelines.sagemaker.stop_pipeline_execution, PipelineExecutionArn=arn)
    assert (code, "Stopped" in message) == ("ValidationException", True)


def test_so_many_steps_at_a_time(pipelines: Pipelines) -> None:
    steps = [pipelines.training(f"S{i}", {"seconds": "0.2"}) for i in range(4)]
    name = pipelines.create(steps, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = pipelines.start(name)
    assert pipelines.describe(arn)["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 1}
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    found = list(pipelines.steps(arn).values())
    assert all(a["EndTime"] <= b["StartTime"] for a, b in itertools.pairwise(found))
    wide = pipelines.start(name, ParallelismConfiguration={"MaxParallelExecutionSteps": 4})
    pipelines.ended(wide)
    found = list(pipelines.steps(wide).values())
    assert found[1]["StartTime"] < found[0]["EndTime"]


def test_a_callback_waits_for_its_answer(pipelines: Pipelines, server: TestServer) -> None:
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName=f"callbacks-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    callback = {
        "Name": "Ask", "Type": "Callback", "SqsQueueUrl": queue, "Arguments": {"who": get("Parameters.Team"), "twice": 2},
        "OutputParameters": [{"OutputName": "value", "OutputType": "Integer"}, {"OutputName": "word", "OutputType": "String"}],
    }
    name = pipelines.create([
        callback,
        condition("Enough", get("Steps.Ask.OutputParameters['value']"), "GreaterThan", 4, [
            pipelines.training("Use", {"value": get("Steps.Ask.OutputParameters['word']")})]),
    ], PARAMETERS)

    def asked() -> dict[str, Any]:
        message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        body: dict[str, Any] = json.loads(message["Body"])
        return body

    arn = pipelines.start(name)
    message = asked()
    assert message == {"token": message["token"], "pipelineExecutionArn": arn, "arguments": {"who": "red", "twice": 2}, "status": "Executing"}
    outputs = [{"Name": "value", "Value": "5"}, {"Name": "word", "Value": "blue"}]
    answered = pipelines.sagemaker.send_pipeline_execution_step_success(CallbackToken=message["token"], OutputParameters=outputs)
    assert answered["PipelineExecutionArn"] == arn
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = pipelines.steps(arn)
    assert steps["Ask"]["Metadata"] == {"Callback": {"CallbackToken": message["token"], "SqsQueueUrl": queue, "OutputParameters": outputs}}
    assert pipelines.model(steps["Use"])["value"] == "blue"

    arn = pipelines.start(name)
    pipelines.sagemaker.send_pipeline_execution_step_failure(CallbackToken=asked()["token"], FailureReason="nobody is at home")
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert pipelines.steps(arn)["Ask"]["FailureReason"] == "nobody is at home"

    arn = pipelines.start(name)
    token = asked()["token"]
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert asked()["status"] == "Stopping"
    assert pipelines.describe(arn)["PipelineExecutionStatus"] == "Stopping", "the answer is waited for"
    pipelines.sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped")
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert refused(pipelines.sagemaker.send_pipeline_execution_step_success, CallbackToken="nothing123")[0] == "ResourceNotFound"


def test_some_steps_with_the_results_of_an_earlier_execution(pipelines: Pipelines) -> None:
    steps = [
        pipelines.training("First", {"value": "7"}),
        pipelines.training("Second", {"value": get("Steps.First.TrainingJobName")}),
        pipelines.training("Third", {"value": get("Steps.Second.HyperParameters.value")}),
        pipelines.training("Aside"),
    ]
    name = pipelines.create(steps)
    source = pipelines.start(name)
    assert pipelines.ended(source)["PipelineExecutionStatus"] == "Succeeded"
    config = {"SourcePipelineExecutionArn": source, "SelectedSteps": [{"StepName": "Third"}]}
    arn = pipelines.start(name, SelectiveExecutionConfig=config)
    assert pipelines.ended(arn)["SelectiveExecutionConfig"] == config
    found = pipelines.steps(arn)
    assert set(found) == {"First", "Second", "Third"}
    for step in ("First", "Second"):
        assert found[step]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert pipelines.model(found["Third"])["value"] == pipelines.job(pipelines.steps(source)["First"])["TrainingJobName"]
    gap = {"SourcePipelineExecutionArn": source, "SelectedSteps": [{"StepName": "First"}, {"StepName": "Third"}]}
    assert "Second" in refused(pipelines.sagemaker.start_pipeline_execution, PipelineName=name, SelectiveExecutionConfig=gap)[1]


def test_a_tuning_step_and_its_best_trial(pipelines: Pipelines) -> None:
    tunings = Tunings(pipelines.jobs)
    request = {"HyperParameterTuningJobConfig": tunings.config(trials=4), "TrainingJobDefinition": tunings.definition(BOWL)}
    name = pipelines.create([
        {"Name": "Tune", "Type": "Tuning", "Arguments": request},
        pipelines.training("Use", {"value": get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"),
                                   "best": get("Steps.Tune.BestTrainingJob.TrainingJobName")}),
    ])
    arn = pipelines.start(name)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)
    steps = pipelines.steps(arn)
    tuning = steps["Tune"]["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]
    assert len(tuning) <= 32
    model = pipelines.model(steps["Use"])
    best = pipelines.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)["BestTrainingJob"]
    assert model["value"] == model["best"] == best["TrainingJobName"]


def test_an_expression_that_leads_nowhere_fails_its_step(pipelines: Pipelines) -> None:
    name = pipelines.create([pipelines.training("A"), pipelines.training("B", {"value": get("Steps.A.ModelArtifacts.Nothing")})])
    arn = pipelines.start(name)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    reason = pipelines.steps(arn)["B"]["FailureReason"]
    assert "Nothing" in reason
    assert "ModelArtifacts" in reason


def test_a_request_that_is_refused_fails_its_step(pipelines: Pipelines) -> None:
    name = pipelines.create([pipelines.training("A", arguments={"RoleArn": "arn:aws:iam::123456789012:role/nobody"})])
    arn = pipelines.start(name)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert pipelines.steps(arn)["A"]["FailureReason"].startswith("ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: ")


def test_versions(pipelines: Pipelines) -> None:
    sagemaker = pipelines.sagemaker
    first, second = definition([pipelines.training("A")]), definition([pipelines.training("B")])
    name = pipelines.create([pipelines.training("A")], PipelineDescription="mine", Tags=[{"Key": "team", "Value": "a"}])
    arn = pipelines.start(name)
    answer = sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=second, PipelineDisplayName="shown")
    assert answer["PipelineVersionId"] == 2
    found = sagemaker.describe_pipeline(PipelineName=name)
    assert (found["PipelineDefinition"], found["PipelineDisplayName"], found["PipelineDescription"]) == (second, "shown", "mine")
    assert found["PipelineStatus"] == "Active"
    assert found["LastRunTime"] <= found["LastModifiedTime"]
    assert sagemaker.describe_pipeline(PipelineName=name, PipelineVersionId=1)["PipelineDefinition"] == first
    assert sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)["PipelineDefinition"] == first
    assert pipelines.ended(arn)["PipelineVersionId"] == 1
    old = pipelines.start(name, PipelineVersionId=1)
    assert pipelines.ended(old)["PipelineExecutionStatus"] == "Succeeded"
    assert list(pipelines.steps(old)) == ["A"]
    versions = sagemaker.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
    assert [v["PipelineVersionId"] for v in versions] == [2, 1]
    assert versions[1]["LastExecutionPipelineExecutionArn"] == old
    sagemaker.update_pipeline_version(PipelineArn=found["PipelineArn"], PipelineVersionId=1, PipelineVersionDisplayName="the-first")
    assert sagemaker.describe_pipeline(PipelineName=name, PipelineVersionId=1)["PipelineVersionDisplayName"] == "the-first"
    assert sagemaker.list_tags(ResourceArn=found["PipelineArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    sagemaker.update_pipeline_execution(PipelineExecutionArn=old, PipelineExecutionDescription="kept")
    assert pipelines.describe(old)["PipelineExecutionDescription"] == "kept"
    hits = sagemaker.search(Resource="PipelineExecution", SearchExpression={"Filters": [
        {"Name": "PipelineExecutionArn", "Operator": "Equals", "Value": old}]})["Results"]
    assert hits[0]["PipelineExecution"]["PipelineExecutionStatus"] == "Succeeded"
    assert sagemaker.delete_pipeline(PipelineName=name)["PipelineArn"] == found["PipelineArn"]
    assert refused(sagemaker.describe_pipeline, PipelineName=name)[0] == "ResourceNotFound"
    assert refused(sagemaker.describe_pipeline_execution, PipelineExecutionArn=old)[0] == "ResourceNotFound"


def test_lists_and_parameters(pipelines: Pipelines) -> None:
    stem = f"listed-{int(time.time())}"
    names = [pipelines.create([fail("No", "no")], PARAMETERS, PipelineName=f"{stem}{i}") for i in range(3)]
    page = pipelines.sagemaker.list_pipelines(PipelineNamePrefix=stem, SortBy="Name", SortOrder="Ascending", MaxResults=2)
    assert [p["PipelineName"] for p in page["PipelineSummaries"]] == names[:2]
    rest = pipelines.sagemaker.list_pipelines(
        PipelineNamePrefix=stem, SortBy="Name", SortOrder="Ascending", MaxResults=2, NextToken=page["NextToken"])
    assert [p["PipelineName"] for p in rest["PipelineSummaries"]] == names[2:]
    arns = [pipelines.start(names[0], {"Least": "1"}) for _ in range(3)]
    listed = pipelines.sagemaker.list_pipeline_executions(PipelineName=names[0], SortOrder="Ascending")["PipelineExecutionSummaries"]
    assert [e["PipelineExecutionArn"] for e in listed] == arns
    given = pipelines.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arns[0], MaxResults=2)
    assert given["PipelineParameters"] == [{"Name": "Accuracy", "Value": "0.9"}, {"Name": "Least", "Value": "1.0"}]
    more = pipelines.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arns[0], MaxResults=2, NextToken=given["NextToken"])
    assert more["PipelineParameters"] == [{"Name": "Team", "Value": "red"}]
    assert pipelines.sagemaker.list_pipelines(PipelineNamePrefix=names[0])["PipelineSummaries"][0]["LastExecutionTime"]


def test_the_same_token_starts_once(pipelines: Pipelines) -> None:
    token = uuid.uuid4().hex
    name = pipelines.create([fail("No", "no")], PARAMETERS, ClientRequestToken=token)
    assert pipelines.start(name, ClientRequestToken=token) == pipelines.start(name, ClientRequestToken=token)
    code, message = refused(pipelines.sagemaker.start_pipeline_execution, PipelineName=name, ClientRequestToken=token, PipelineParameters=[
        {"Name": "Team", "Value": "blue"}])
    assert (code, "other parameters" in message) == ("ValidationException", True)


@pytest.mark.parametrize(("body", "words"), [
    ("{", "not JSON"),
    ('{"Version": "2019-01-01", "Steps": []}', "2020-12-01"),
    (definition([]), "at least one step"),
    (definition([fail("A", "x"), fail("A", "x")]), "unique"),
    (definition([fail("A", get("Parameters.Nothing"))]), "Nothing"),
    (definition([fail("A", get("Steps.B.Nothing"))]), "B"),
    (definition([{**fail("A", "x"), "DependsOn": ["B"]}, {**fail("B", "x"), "DependsOn": ["A"]}]), "circle"),
    (definition([{"Name": "A", "Type": "Baking", "Arguments": {}}]), "Baking"),
])
def test_definitions_that_mean_nothing(pipelines: Pipelines, body: str, words: str) -> None:
    code, message = refused(pipelines.sagemaker.create_pipeline, PipelineName="bad", PipelineDefinition=body, RoleArn=pipelines.jobs.role)
    assert code == "ValidationException"
    assert message.startswith("Unable to parse pipeline definition.")
    assert words in message


def test_what_is_not_built_says_so(pipelines: Pipelines) -> None:
    body = definition([{"Name": "Call", "Type": "Lambda", "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f", "Arguments": {}}])
    with pytest.raises(ClientError) as caught:
        pipelines.sagemaker.create_pipeline(PipelineName="later", PipelineDefinition=body, RoleArn=pipelines.jobs.role)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "Lambda" in caught.value.response["Error"]["Message"]


def test_parameters_that_do_not_fit(pipelines: Pipelines) -> None:
    name = pipelines.create([fail("No", "no")], [parameter("Count", "Integer"), parameter("Size", "String", "s", EnumValues=["s", "m"])])
    for given, words in (
        ([], "Count"), ([("Count", "many")], "Integer"), ([("Count", "1"), ("Other", "x")], "Other"), ([("Count", "1"), ("Size", "xl")], "xl"),
    ):
        code, message = refused(
            pipelines.sagemaker.start_pipeline_execution, PipelineName=name, PipelineParameters=[{"Name": n, "Value": v} for n, v in given])
        assert (code, words in message) == ("ValidationException", True), message


def test_names_are_unique(pipelines: Pipelines) -> None:
    name = pipelines.create([fail("No", "no")])
    code, message = refused(
        pipelines.sagemaker.create_pipeline, PipelineName=name.upper(), PipelineDefinition=definition([fail("No", "no")]), RoleArn=pipelines.jobs.role)
    assert (code, "already exists" in message) == ("ValidationException", True), "the SDKs go on to UpdatePipeline"


def test_a_schedule_starts_a_pipeline(pipelines: Pipelines, server: TestServer) -> None:
    name = pipelines.create([fail("No", "no")], PARAMETERS)
    arn = pipelines.sagemaker.describe_pipeline(PipelineName=name)["PipelineArn"]
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
    scheduler = server.client("scheduler")
    account = arn.split(":")[4]
    role = f"arn:aws:iam::{account}:role/{server.execution_role()}"
    scheduler.create_schedule(
        Name=name[-60:], ScheduleExpression=f"at({when})", FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
        Target={"Arn": arn, "RoleArn": role, "SageMakerPipelineParameters": {"PipelineParameterList": [{"Name": "Team", "Value": "green"}]}})
    found = until(lambda: pipelines.sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"])
    given = pipelines.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=found[0]["PipelineExecutionArn"])
    assert {"Name": "Team", "Value": "green"} in given["PipelineParameters"]

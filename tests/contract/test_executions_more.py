"""Executions of pipelines beside other people: names that are taken, roles that may little, late answers."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from sagewright.slices.pipelines.kinds import KINDS, Made
from sagewright.testing.executions import Pipelines, condition, definition, fail, get
from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.wire.models import Models
from sagewright.wire.validation import Validator

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}

@pytest.fixture(scope="module")
def pipelines(server: TestServer) -> Pipelines:
    return Pipelines(Jobs(server, "pipelines-more-bucket"))


class Asking:
    """Callback steps, and the messages that they send."""

    def __init__(self, server: TestServer) -> None:
        self.sqs = server.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"more-{uuid.uuid4().hex[:8]}")["QueueUrl"]

    def step(self, name: str = "Ask", **more: Any) -> dict[str, Any]:
        outputs = [{"OutputName": "value", "OutputType": "String"}]
        return {"Name": name, "Type": "Callback", "SqsQueueUrl": self.queue, "Arguments": {}, "OutputParameters": outputs, **more}

    def message(self) -> dict[str, Any]:
        message = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=20)["Messages"][0]
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        body: dict[str, Any] = json.loads(message["Body"])
        return body

    def token(self) -> str:
        token: str = self.message()["token"]
        return token


@pytest.fixture
def asking(server: TestServer) -> Asking:
    return Asking(server)


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def role(server: TestServer, *statements: dict[str, Any]) -> str:
    """A role for jobs that may do this."""
    iam, name = server.client("iam"), unique("narrow")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    return arn


def allow(action: str | list[str], resource: str = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


# -- what was there before


def test_a_job_of_the_name_that_somebody_else_made_is_not_the_steps(pipelines: Pipelines, asking: Asking) -> None:
    name = pipelines.create([asking.step(), pipelines.training("Train", DependsOn=["Ask"])])
    arn = pipelines.start(name)
    token, kind = asking.token(), KINDS["Training"]
    assert isinstance(kind, Made)
    theirs = kind.job_name(arn, "Train", "1/1")
    pipelines.jobs.train(TrainingJobName=theirs, code="print('theirs')")
    pipelines.sagemaker.send_pipeline_execution_step_success(CallbackToken=token)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    step = pipelines.steps(arn)["Train"]
    assert "already exist" in step["FailureReason"]
    assert not step["Metadata"]


# -- roles


def test_what_the_role_may_not_describe_fails_its_step_with_a_reason(pipelines: Pipelines, server: TestServer) -> None:
    narrow = role(server, allow(["sagemaker:Create*", "s3:*", "iam:PassRole", "logs:*"]))
    name = pipelines.create([
        pipelines.training("Train"), pipelines.training("Next", {"value": get("Steps.Train.TrainingJobArn")}),
    ])
    arn = pipelines.start(name, RoleArn=narrow)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    steps = pipelines.steps(arn)
    assert steps["Train"]["StepStatus"] == "Succeeded"
    assert "sagemaker:DescribeTrainingJob" in steps["Next"]["FailureReason"]
    assert pipelines.describe(arn)["FailureReason"] == "Step failure: One or multiple steps failed."


def test_a_group_that_is_there_need_not_be_made(pipelines: Pipelines, server: TestServer) -> None:
    group = unique("group")
    register = {"Name": "Register", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": group, "InferenceSpecification": {
        "Containers": [{"Image": PYTHON, "ModelDataUrl": "s3://pipelines-more-bucket/m.tar.gz"}],
        "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}}}
    name, narrow = pipelines.create([register]), role(server, allow("*"), allow("sagemaker:CreateModelPackageGroup", effect="Deny"))
    arn = pipelines.start(name, RoleArn=narrow)
    pipelines.ended(arn)
    assert "sagemaker:CreateModelPackageGroup" in pipelines.steps(arn)["Register"]["FailureReason"]
    pipelines.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = pipelines.start(name, RoleArn=narrow)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)


def test_a_step_without_a_role_has_that_of_the_execution(pipelines: Pipelines, server: TestServer) -> None:
    step = pipelines.training("Train")
    del step["Arguments"]["RoleArn"]
    model = {"Name": "Model", "Type": "Model", "Arguments": {"PrimaryContainer": {"Image": PYTHON}}}
    own = role(server, allow("*"))
    arn = pipelines.start(pipelines.create([step, model]), RoleArn=own)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)
    steps = pipelines.steps(arn)
    assert pipelines.job(steps["Train"])["RoleArn"] == own
    name = steps["Model"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    assert pipelines.sagemaker.describe_model(ModelName=name)["ExecutionRoleArn"] == own


@pytest.mark.parametrize(("uri", "says"), [
    ("file:///etc/passwd", "Invalid S3 URI"), ("s3://not-there-at-all/x.json", "cannot be read"), (5, "Invalid S3 URI"),
    ("s3://pipelines-more-bucket/code/train/main.py", "is not JSON"),
])
def test_an_object_that_cannot_be_read_fails_its_step(pipelines: Pipelines, uri: Any, says: str) -> None:
    message = {"Std:JsonGet": {"S3Uri": uri, "Path": "a"}}
    arn = pipelines.start(pipelines.create([{"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": message}}]))
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert says in pipelines.steps(arn)["Say"]["FailureReason"]


def test_an_object_that_the_role_may_not_read(pipelines: Pipelines, server: TestServer) -> None:
    uri = pipelines.jobs.put("secret/x.json", '{"a": "the secret"}')
    step = {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": {"Std:JsonGet": {"S3Uri": uri, "Path": "a"}}}}
    name = pipelines.create([step])
    arn = pipelines.start(name)
    assert pipelines.ended(arn)["FailureReason"] == "the secret"
    objects = "arn:aws:s3:::pipelines-more-bucket/secret/"
    for denied in (f"{objects}*", f"{objects}x.json"):
        narrow = role(server, allow("s3:*"), allow("s3:GetObject", denied, "Deny"))
        arn = pipelines.start(name, RoleArn=narrow)
        assert "the secret" not in pipelines.ended(arn)["FailureReason"], denied
        assert "s3:GetObject" in pipelines.steps(arn)["Say"]["FailureReason"]
    arn = pipelines.start(name, RoleArn=role(server, allow("s3:GetObject", f"{objects}x.json")))
    assert pipelines.ended(arn)["FailureReason"] == "the secret", "this object and no other is enough"


def test_a_definition_that_the_role_may_not_read(pipelines: Pipelines, server: TestServer) -> None:
    body = definition([{"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}])
    pipelines.jobs.put("definitions/d.json", body)
    place = {"Bucket": "pipelines-more-bucket", "ObjectKey": "definitions/d.json"}
    objects = "arn:aws:s3:::pipelines-more-bucket/definitions/d.json"

    def create(*statements: dict[str, Any]) -> Any:
        return pipelines.sagemaker.create_pipeline(PipelineName=unique("stored"), RoleArn=role(server, *statements), PipelineDefinitionS3Location=place)

    with pytest.raises(ClientError, match="s3:GetObject"):
        create(allow("s3:*"), allow("s3:GetObject", objects, "Deny"))
    assert create(allow("s3:GetObject", objects))["PipelineArn"]


def test_however_an_ARN_is_written_the_policy_for_it_counts(pipelines: Pipelines, server: TestServer) -> None:
    arn = pipelines.start(pipelines.create([{"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}]))
    pipelines.ended(arn)
    pipeline, _, _ = arn.partition("/execution/")
    iam, user = server.client("iam"), unique("denied")
    iam.create_user(UserName=user)
    statements = [allow("sagemaker:*"), allow("sagemaker:*", f"{pipeline}*", "Deny")]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    theirs = server.client("sagemaker", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    prefix, _, rest = arn.partition(":pipeline/")
    account = prefix.rpartition(":")[2]
    for written in (arn, f"{prefix}:pipeline/{rest.upper().replace('/EXECUTION/', '/execution/')}", arn.replace(account, "999999999999"), arn.replace("us-east-1", "eu-west-1")):
        for call in (theirs.describe_pipeline_execution, theirs.stop_pipeline_execution, theirs.list_pipeline_execution_steps):
            assert refused(call, PipelineExecutionArn=written)[0] == "AccessDeniedException", written
    moved = pipeline.replace(account, "999999999999")
    assert refused(theirs.update_pipeline_version, PipelineArn=moved, PipelineVersionId=1)[0] == "AccessDeniedException"
    other = arn.replace(account, "999999999999")
    assert refused(pipelines.sagemaker.describe_pipeline_execution, PipelineExecutionArn=other)[0] == "ResourceNotFound", "another account's"


# -- answers, and the same request again


def test_an_answer_that_comes_too_late(pipelines: Pipelines, asking: Asking) -> None:
    fails = pipelines.training("Fail", {"fail": "no"})
    name = pipelines.create([asking.step(), fails])
    arn = pipelines.start(name)
    first = asking.token()
    pipelines.sagemaker.send_pipeline_execution_step_failure(CallbackToken=first, FailureReason="not now")
    pipelines.ended(arn)
    again = f"token-{uuid.uuid4().hex}"
    for _ in range(2):
        answer = pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=again)
        assert answer["PipelineExecutionArn"] == arn, "the same request answers the same"
    second = asking.token()
    assert second != first
    assert re.fullmatch("[A-Za-z0-9]{10}", second)
    send = pipelines.sagemaker.send_pipeline_execution_step_success
    assert refused(send, CallbackToken=first)[0] == "ConflictException", "of the former round"
    send(CallbackToken=second, OutputParameters=[{"Name": "value", "Value": "1"}])
    send(CallbackToken=second, OutputParameters=[{"Name": "value", "Value": "1"}])
    assert refused(send, CallbackToken=second, OutputParameters=[{"Name": "value", "Value": "2"}])[0] == "ConflictException"
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert pipelines.steps(arn)["Ask"]["Metadata"]["Callback"]["OutputParameters"] == [{"Name": "value", "Value": "1"}]


def test_a_stop_where_nobody_can_be_told(pipelines: Pipelines, asking: Asking) -> None:
    arn = pipelines.start(pipelines.create([asking.step()]))
    asking.token()
    asking.sqs.delete_queue(QueueUrl=asking.queue)
    token = f"token-{uuid.uuid4().hex}"
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=token)
    assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert "sqs:SendMessage" in pipelines.steps(arn)["Ask"]["FailureReason"]
    answer = pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=token)
    assert answer["PipelineExecutionArn"] == arn, "the same request answers the same"
    assert refused(pipelines.sagemaker.stop_pipeline_execution, PipelineExecutionArn=arn)[0] == "ValidationException"


# -- selections


def test_selections_that_cannot_be(pipelines: Pipelines) -> None:
    name, other = (pipelines.create([pipelines.training("A"), pipelines.training("B", DependsOn=["A"])]) for _ in range(2))
    source = pipelines.start(other, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "A"}]})
    pipelines.ended(source)

    def refusal(*selected: str, **more: Any) -> str:
        config = {"SelectedSteps": [{"StepName": step} for step in selected], **more}
        code, message = refused(pipelines.sagemaker.start_pipeline_execution, PipelineName=name, SelectiveExecutionConfig=config)
        assert code == "ValidationException"
        return message

    assert "Nobody" in refusal("Nobody")
    assert "SourcePipelineExecutionArn" in refusal("B")
    assert "is not one of the pipeline" in refusal("B", SourcePipelineExecutionArn=source)


# -- shapes


def test_every_answer_is_as_the_model_says(pipelines: Pipelines, asking: Asking) -> None:
    """Also in what clients do not look at: lengths, patterns, enumerations; and no member that could be filled is left out."""
    models, validator = Models(), Validator()
    missing: dict[str, set[str]] = {}

    def ask(operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(pipelines.sagemaker, xform_name(operation))(**request)
        del answer["ResponseMetadata"]
        shape = models.operation("sagemaker", operation).output
        assert shape is not None
        assert not validator.faults(shape, answer), operation
        missing[operation] = set(shape.members) - set(answer)
        return answer

    name = unique("Whole") + "-" + "x" * 100
    long = pipelines.training("Train", DisplayName="d" * 300, Description="e" * 4000, CacheConfig={"Enabled": True})
    steps = [
        long, asking.step(), pipelines.training("Fails", {"fail": "y" * 1024}), condition("C", 1, "Equals", 1, [fail("Message", "z" * 4000)], DependsOn=["Train"]),
    ]
    parameters = [{"Name": "P", "Type": "String", "DefaultValue": "v"}]
    body = definition(steps, parameters, PipelineExperimentConfig={"ExperimentName": unique("e"), "TrialName": unique("t")})
    role = pipelines.jobs.role
    ask("CreatePipeline", PipelineName=name, PipelineDefinition=body, RoleArn=role, PipelineDescription="d", ParallelismConfiguration={"MaxParallelExecutionSteps": 9})
    assert ask("UpdatePipeline", PipelineName=name, PipelineDefinition=body)["PipelineVersionId"] == 2
    arn = ask("StartPipelineExecution", PipelineName=name, PipelineExecutionDescription="d")["PipelineExecutionArn"]
    ask("UpdatePipelineExecution", PipelineExecutionArn=arn, PipelineExecutionDisplayName="shown")
    ask("SendPipelineExecutionStepSuccess", CallbackToken=asking.token(), OutputParameters=[{"Name": "value", "Value": "1"}])
    pipelines.ended(arn)
    ask("DescribePipelineExecution", PipelineExecutionArn=arn)
    found = {step["StepName"]: step for step in ask("ListPipelineExecutionSteps", PipelineExecutionArn=arn)["PipelineExecutionSteps"]}
    assert {"StepName", "StepDisplayName", "StepDescription", "StartTime", "EndTime", "StepStatus", "AttemptCount", "Metadata"} == found["Train"].keys()
    ask("ListPipelineParametersForExecution", PipelineExecutionArn=arn)
    ask("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)
    summary = ask("ListPipelineExecutions", PipelineName=name)["PipelineExecutionSummaries"][0]
    assert {
        "PipelineExecutionArn", "StartTime", "PipelineExecutionStatus", "PipelineExecutionDescription", "PipelineExecutionDisplayName",
        "PipelineExecutionFailureReason",
    } == summary.keys()
    ask("UpdatePipelineVersion", PipelineArn=arn.partition("/execution")[0], PipelineVersionId=2, PipelineVersionDisplayName="v", PipelineVersionDescription="d")
    ask("DescribePipeline", PipelineName=name)
    (pipeline,) = ask("ListPipelines", PipelineNamePrefix=name)["PipelineSummaries"]
    assert {
        "PipelineArn", "PipelineName", "PipelineDisplayName", "PipelineDescription", "RoleArn", "CreationTime", "LastModifiedTime", "LastExecutionTime",
    } == pipeline.keys()
    version = ask("ListPipelineVersions", PipelineName=name)["PipelineVersionSummaries"][0]
    assert {
        "PipelineArn", "PipelineVersionId", "CreationTime", "PipelineVersionDescription", "PipelineVersionDisplayName", "LastExecutionPipelineExecutionArn",
    } == version.keys()
    again = ask("RetryPipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionArn"]
    ask("StopPipelineExecution", PipelineExecutionArn=again)
    pipelines.ended(arn)
    ask("DeletePipeline", PipelineName=name)
    left_out = {operation: members - {"NextToken", "PipelineVersionAliases", "MLflowConfig", "SelectiveExecutionConfig"} for operation, members in missing.items()}
    assert not {operation: members for operation, members in left_out.items() if members}

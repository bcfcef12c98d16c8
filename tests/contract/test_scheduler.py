"""EventBridge Scheduler as boto3 sees it: what is due calls the API as its role."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
OFF = {"Mode": "OFF"}
YEARS = "rate(3000 days)"


class Plan:
    """Schedules of one test, and queues that hear of them."""

    def __init__(self, server: TestServer) -> None:
        self.server, self.jobs = server, Jobs(server)
        self.scheduler, self.sqs, self.iam = server.client("scheduler"), server.client("sqs"), server.client("iam")
        self.role = self.jobs.role

    def create(self, arn: str, expression: str = YEARS, *, text: str | None = None, role: str = "", target: dict[str, Any] | None = None, **more: Any) -> str:
        """A schedule; its name. Without a start, a rate is due at once."""
        name = unique("plan")
        about = {"Arn": arn, "RoleArn": role or self.role, **(target or {}), **({"Input": text} if text is not None else {})}
        self.scheduler.create_schedule(Name=name, ScheduleExpression=expression, Target=about, **{"FlexibleTimeWindow": OFF, **more})
        return name

    def queue(self) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=unique("plan"))["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def message(self, url: str) -> dict[str, Any]:
        """The next message, as soon as there is one."""
        def heard() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"]).get("Messages", [])
            return found

        (found,) = until(heard)
        return found

    def hears_nothing_but(self, url: str, queue: str, word: str) -> None:
        """A schedule of this moment is the next that the queue hears of: whatever was due before it has been told."""
        self.create(queue, text=word)
        assert self.message(url)["Body"] == word
        assert "Messages" not in self.sqs.receive_message(QueueUrl=url)

    def gone(self, name: str, group: str = "default") -> bool:
        try:
            self.scheduler.get_schedule(Name=name, GroupName=group)
        except self.scheduler.exceptions.ResourceNotFoundException:
            return True
        return False

    def narrow(self, *statements: dict[str, Any]) -> str:
        """The ARN of a role that the scheduler may act as, and that may do this alone."""
        name = unique("planner")
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        return arn


@pytest.fixture
def plan(server: TestServer) -> Plan:
    return Plan(server)


def training(plan: Plan, name: str) -> str:
    """The request of a job that says what time it was scheduled for."""
    return json.dumps({
        "TrainingJobName": name, "RoleArn": plan.role, "OutputDataConfig": {"S3OutputPath": f"s3://{plan.jobs.bucket}/out"},
        "AlgorithmSpecification": {"TrainingImage": PYTHON, "TrainingInputMode": "File", "ContainerEntrypoint": ["python3", "-c", "import os; print('for', os.environ['WHEN'])"]},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}, "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Environment": {"WHEN": "<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>"},
    })


def test_a_schedule_trains_as_its_role(plan: Plan) -> None:
    """Due at once: the job has a name of its own, says for when it ran, and the audit trail tells who made it."""
    stem = unique("nightly")
    name = plan.create(UNIVERSAL, text=training(plan, f"{stem}-<aws.scheduler.execution-id>"))

    def made() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = plan.jobs.sagemaker.list_training_jobs(NameContains=stem)["TrainingJobSummaries"]
        return found

    (job,) = until(made)
    assert plan.jobs.ended(job["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    about = plan.scheduler.get_schedule(Name=name)
    assert f"for {about['CreationDate'].astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z 1" in plan.jobs.log(job["TrainingJobName"])
    assert len(job["TrainingJobName"].removeprefix(f"{stem}-")) == 16
    events = plan.server.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": name}])["Events"]
    assert [e["EventName"] for e in events] == ["CreateTrainingJob"]
    who = json.loads(events[0]["CloudTrailEvent"])["userIdentity"]
    assert (who["type"], who["arn"].split(":")[-1]) == ("AssumedRole", f"assumed-role/{plan.role.rsplit('/', 1)[-1]}/{name}")
    plan.scheduler.delete_schedule(Name=name)
    assert plan.gone(name)


def test_a_role_that_may_not_is_refused_and_the_dead_letter_says_so(plan: Plan) -> None:
    """Refused, not tried again, in the audit trail; the schedule of a single moment is deleted all the same."""
    url, letters = plan.queue()
    role = plan.narrow({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": letters})
    stem = unique("denied")
    now = datetime.now(UTC)
    name = plan.create(
        UNIVERSAL, f"at({now:%Y-%m-%dT%H:%M:%S})", text=training(plan, stem), role=role, ActionAfterCompletion="DELETE",
        target={"DeadLetterConfig": {"Arn": letters}, "RetryPolicy": {"MaximumRetryAttempts": 3}},
    )
    letter = plan.message(url)
    said = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert said["ERROR_CODE"] == "AccessDeniedException"
    assert f"not authorized to perform: sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:123456789012:training-job/{stem}" in said["ERROR_MESSAGE"]
    assert (said["RETRY_ATTEMPTS"], said["TARGET_ARN"], said["SCHEDULE_ARN"].rsplit("/", 1)[-1]) == ("0", UNIVERSAL, name)
    assert said["SCHEDULED_TIME"] == f"{now:%Y-%m-%dT%H:%M:%SZ}"
    assert json.loads(letter["Body"])["TrainingJobName"] == stem
    until(lambda: plan.gone(name))
    (event,) = plan.server.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": name}])["Events"]
    assert json.loads(event["CloudTrailEvent"])["errorCode"].startswith("AccessDenied")
    assert plan.jobs.sagemaker.list_training_jobs(NameContains=stem)["TrainingJobSummaries"] == []


def test_queues_and_topics_hear_of_a_schedule(plan: Plan) -> None:
    url, queue = plan.queue()
    plan.create(queue, text="run <aws.scheduler.execution-id> of <aws.scheduler.schedule-arn>")
    words = plan.message(url)["Body"].split()
    assert (len(words[1]), words[3].split(":", 5)[5].split("/")[:2]) == (16, ["schedule", "default"])
    sns = plan.server.client("sns")
    topic = sns.create_topic(Name=unique("plan"))["TopicArn"]
    url, queue = plan.queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    plan.create(topic)
    told = json.loads(plan.message(url)["Body"])
    assert (told["source"], told["detail-type"]) == ("aws.scheduler", "Scheduled Event")


def test_a_paused_schedule_does_nothing_until_it_is_resumed(plan: Plan) -> None:
    url, queue = plan.queue()
    name = plan.create(queue, f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})", text="now", State="DISABLED")
    about = plan.scheduler.get_schedule(Name=name)
    assert (about["State"], about["Target"]["RetryPolicy"]) == ("DISABLED", {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185})
    plan.hears_nothing_but(url, queue, "meanwhile")
    kept = {k: about[k] for k in ("Name", "Target", "FlexibleTimeWindow")}
    again = f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})"
    plan.scheduler.update_schedule(**kept, ScheduleExpression=again, Description="resumed", State="ENABLED")
    assert plan.message(url)["Body"] == "now"
    after = plan.scheduler.get_schedule(Name=name)
    assert (after["State"], after["Description"], after["CreationDate"]) == ("ENABLED", "resumed", about["CreationDate"])
    # a schedule that is written again does not call twice for one moment
    plan.scheduler.update_schedule(**kept, ScheduleExpression=again, State="ENABLED")
    plan.hears_nothing_but(url, queue, "later")


def test_groups_lists_and_tags(plan: Plan) -> None:
    scheduler, group = plan.scheduler, unique("group")
    arn = scheduler.create_schedule_group(Name=group, Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    assert scheduler.get_schedule_group(Name=group)["State"] == "ACTIVE"
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    _, queue = plan.queue()
    later = {"StartDate": datetime.now(UTC) + timedelta(days=2), "EndDate": datetime.now(UTC) + timedelta(days=9)}
    names = sorted(plan.create(queue, "rate(2 days)", GroupName=group, State=state, **later) for state in ("ENABLED", "DISABLED", "ENABLED"))
    pages = list(scheduler.get_paginator("list_schedules").paginate(GroupName=group, PaginationConfig={"PageSize": 2}))
    assert [[s["Name"] for s in page["Schedules"]] for page in pages] == [names[:2], names[2:]]
    (paused,) = scheduler.list_schedules(GroupName=group, State="DISABLED")["Schedules"]
    assert (paused["Target"], paused["GroupName"]) == ({"Arn": queue}, group)
    assert [s["Name"] for s in scheduler.list_schedules(GroupName=group, NamePrefix=names[1])["Schedules"]] == [names[1]]
    found = [g["Name"] for page in scheduler.get_paginator("list_schedule_groups").paginate() for g in page["ScheduleGroups"]]
    assert {"default", group} <= set(found)
    scheduler.delete_schedule_group(Name=group)
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=names[0], GroupName=group)


def test_a_token_makes_creation_idempotent(plan: Plan) -> None:
    about = {
        "Name": unique("twice"), "ScheduleExpression": "cron(0 3 ? * MON-FRI *)", "ScheduleExpressionTimezone": "Europe/Berlin", "FlexibleTimeWindow": OFF,
        "Target": {"Arn": UNIVERSAL, "RoleArn": plan.role, "Input": "{}"},
    }
    one = plan.scheduler.create_schedule(**about, ClientToken="a")["ScheduleArn"]
    assert plan.scheduler.create_schedule(**about, ClientToken="a")["ScheduleArn"] == one
    with pytest.raises(plan.scheduler.exceptions.ConflictException):
        plan.scheduler.create_schedule(**about, ClientToken="b")


@pytest.mark.parametrize(("given", "code", "words"), [
    ({"expression": "rate(1 minutes)"}, "ValidationException", "Invalid Schedule Expression rate"),
    ({"expression": "cron(0 3 * * * *)"}, "ValidationException", "one of day of month and day of week must be"),
    ({"expression": "at(tomorrow)"}, "ValidationException", "at(...) must hold a time"),
    ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "ValidationException", "Europe/Atlantis is not a time zone"),
    ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "ValidationException", "MaximumWindowInMinutes"),
    ({"StartDate": datetime(2040, 1, 2, tzinfo=UTC), "EndDate": datetime(2040, 1, 1, tzinfo=UTC)}, "ValidationException", "EndDate"),
    ({"text": "[]"}, "ValidationException", "RequestJson"),
    ({"arn": "arn:aws:scheduler:::aws-sdk:sagemaker:listTrainingJobs"}, "ValidationException", "only read"),
    ({"arn": "arn:aws:scheduler:::aws-sdk:ec2:startInstances"}, "NotImplemented", "universal targets are those of"),
    ({"arn": "arn:aws:scheduler:::aws-sdk:sagemaker:createMagic"}, "NotImplemented", "CreateMagic does not exist here"),
    ({"arn": "arn:aws:lambda:us-east-1:123456789012:function:f"}, "NotImplemented", "are not implemented"),
    ({"GroupName": "nowhere-to-be-found"}, "ResourceNotFoundException", "does not exist"),
    ({"role": "arn:aws:iam::123456789012:role/nobody-at-all"}, "ValidationException", "must allow AWS EventBridge Scheduler to assume the role"),
])  # fmt: skip
def test_what_is_refused(plan: Plan, given: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(ClientError) as caught:
        plan.create(**{"arn": UNIVERSAL, "text": "{}", **given})
    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]


def test_who_makes_a_schedule_must_be_allowed_to_pass_its_role(plan: Plan) -> None:
    user = unique("planner")
    plan.iam.create_user(UserName=user)
    about = {"Effect": "Allow", "Action": "scheduler:*", "Resource": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/mine-*"}
    plan.iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [about]}))
    key = plan.iam.create_access_key(UserName=user)["AccessKey"]
    mine = plan.server.client("scheduler", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    def refusal(name: str) -> str:
        with pytest.raises(ClientError) as caught:
            mine.create_schedule(Name=name, ScheduleExpression=YEARS, FlexibleTimeWindow=OFF, Target={"Arn": UNIVERSAL, "RoleArn": plan.role, "Input": "{}"})
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        return str(caught.value.response["Error"]["Message"])

    assert "iam:PassRole" in refusal(unique("mine"))
    assert "scheduler:CreateSchedule" in refusal(unique("yours"))


@pytest.mark.parametrize("act", [
    lambda s: s.delete_schedule_group(Name="default"),
    lambda s: s.create_schedule_group(Name="default"),
    lambda s: s.get_schedule(Name="nowhere-to-be-found"),
    lambda s: s.delete_schedule_group(Name="nowhere-to-be-found"),
])  # fmt: skip
def test_groups_and_schedules_that_are_not_there(plan: Plan, act: Callable[[Any], Any]) -> None:
    with pytest.raises(ClientError) as caught:
        act(plan.scheduler)
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "ConflictException", "ResourceNotFoundException")
    assert caught.value.response["Error"]["Message"].strip()

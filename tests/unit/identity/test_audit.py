"""The audit trail: what is kept of a call, what never is, and how it is looked up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.resources.audit import HIDDEN, audit_put, audit_record, audited
from sagewright.wire.errors import AccessDenied, ServiceError
from sagewright.wire.types import Call, Principal

from .conftest import ACCOUNT, Clock, House

ANN = Principal(f"arn:aws:iam::{ACCOUNT}:user/ann", ACCOUNT, "user", "AIDA1", "AKIA1", "ann")


def call(operation: str = "CreateTrainingJob", by: Principal = ANN, service: str = "sagemaker", **params: Any) -> Call:
    return Call(service, operation, params, by, ACCOUNT, "us-east-1", "r-1", "aws-cli", "10.0.0.1")


def test_a_record_says_who_what_when_from_where() -> None:
    made = audit_record(
        call(TrainingJobName="j", HyperParameters={"Max_depth": "3"}), None, {"TrainingJobArn": "arn:j"}, now=1_800_000_000.0
    )
    assert made["eventSource"] == "sagemaker.amazonaws.com"
    assert made["eventName"] == "CreateTrainingJob"
    assert made["eventTime"] == "2027-01-15T08:00:00Z"
    assert made["userIdentity"]["userName"] == "ann"
    assert made["sourceIPAddress"] == "10.0.0.1"
    assert made["requestParameters"] == {"trainingJobName": "j", "hyperParameters": {"Max_depth": "3"}}
    assert made["responseElements"] == {"trainingJobArn": "arn:j"}
    assert made["readOnly"] is False
    assert {r["ARN"] for r in made["resources"]} == {"j", "arn:j"}
    assert "errorCode" not in made


def test_secrets_are_never_kept() -> None:
    made = audit_record(
        call(
            Environment={"PASSWORD": "hunter2"},
            Nested=[{"Content": "hunter2"}, {"SecretString": "hunter2"}, {"OidcConfig": {"ClientSecret": "hunter2"}}],
            Body=b"hunter2",
        ),
        None,
        {"AccessKey": {"SecretAccessKey": "hunter2", "AccessKeyId": "AKIA1"}, "AuthorizedUrl": "https://x/hunter2"},
        now=0.0,
    )
    assert "hunter2" not in json.dumps(made)
    assert made["requestParameters"]["environment"] == HIDDEN
    assert made["responseElements"]["accessKey"]["accessKeyId"] == "AKIA1"


def test_errors_and_long_texts() -> None:
    made = audit_record(call(Definition="x" * 10000), AccessDenied("no"), None, now=0.0)
    assert (made["errorCode"], made["errorMessage"], made["responseElements"]) == ("AccessDenied", "no", None)
    assert len(made["requestParameters"]["definition"]) < 5000
    assert audit_record(call(), ServiceError("Odd", "x"), None, now=0.0)["errorCode"] == "Odd"
    hidden = audit_record(call(), RuntimeError("hunter2"), None, now=0.0)
    assert "hunter2" not in json.dumps(hidden)


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sagemaker", "CreateModel", True), ("sagemaker", "DescribeModel", False), ("sagemaker", "Search", False),
        ("sagemaker", "StopTrainingJob", True), ("sagemaker-runtime", "InvokeEndpoint", False),
        ("s3", "CreateBucket", True), ("s3", "PutObject", False), ("s3", "HeadBucket", False),
        ("sts", "AssumeRole", True), ("sts", "GetCallerIdentity", False), ("iam", "PutRolePolicy", True),
        ("logs", "PutLogEvents", False), ("logs", "PutRetentionPolicy", True), ("iam", "SimulatePrincipalPolicy", False),
    ],
)  # fmt: skip
def test_what_is_audited(service: str, operation: str, expected: bool) -> None:
    assert audited(service, operation) is expected


async def test_lookup(iam: House, clock: Clock) -> None:
    role = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/R/job-1", ACCOUNT, "role", "AROA:job-1", "ASIA1", "R")
    for i in range(7):
        clock.now += 10
        made = call("CreateModel" if i % 2 else "DeleteModel", role if i == 3 else ANN, ModelName=f"m{i}")
        await iam.records.commit(audit_put(made, audit_record(made, None, {}, now=clock.now), clock.now))

    async def look(key: str = "", value: str = "", **more: Any) -> list[str]:
        attributes = [{"AttributeKey": key, "AttributeValue": value}] if key else []
        events, token = [], {}
        while True:
            page = await iam("cloudtrail", "LookupEvents", LookupAttributes=attributes, MaxResults=2, **more, **token)
            events += [e["Resources"][0]["ResourceName"] for e in page["Events"]]
            if "NextToken" not in page:
                return events
            token = {"NextToken": page["NextToken"]}

    assert await look() == ["m6", "m5", "m4", "m3", "m2", "m1", "m0"]
    assert await look("EventName", "CreateModel") == ["m5", "m3", "m1"]
    assert await look("Username", "job-1") == ["m3"]
    assert await look("AccessKeyId", "ASIA1") == ["m3"]
    assert await look("ResourceName", "m2") == ["m2"]
    assert len(await look("ResourceType", "AWS::SageMaker::Model")) == 7
    assert await look("ReadOnly", "true") == []
    assert await look("EventSource", "iam.amazonaws.com") == []
    assert await look(StartTime=clock.now - 15) == ["m6", "m5"]
    assert await look(EndTime=clock.now - 55) == ["m0"]
    event = (await iam("cloudtrail", "LookupEvents", MaxResults=1))["Events"][0]
    said = json.loads(event["CloudTrailEvent"])
    assert said["eventID"] == event["EventId"]
    assert "_username" not in said
    for wrong, code in (
        ({"NextToken": "x"}, "InvalidNextTokenException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"StartTime": 2.0, "EndTime": 1.0}, "InvalidTimeRangeException"),
    ):
        with pytest.raises(ServiceError) as caught:
            await iam("cloudtrail", "LookupEvents", **wrong)
        assert caught.value.code == code

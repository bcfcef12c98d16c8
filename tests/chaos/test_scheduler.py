"""Schedules of a server that is killed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sagewright.testing.waiting import until

from .conftest import Chaos


def test_a_moment_that_passes_while_the_server_is_down_is_made_up_for_once(chaos: Chaos) -> None:
    """And a schedule of later moments is still there, with one message for each moment that was its own."""
    sqs, scheduler = chaos.server.client("sqs"), chaos.server.client("scheduler")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    soon = datetime.now(UTC) + timedelta(seconds=2)
    target = {"Arn": queue, "RoleArn": chaos.jobs.role, "Input": "<aws.scheduler.scheduled-time>"}
    off = {"Mode": "OFF"}
    scheduler.create_schedule(Name="once", ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow=off, Target=target, ActionAfterCompletion="DELETE")
    scheduler.create_schedule(Name="nightly", ScheduleExpression="cron(0 3 ? * * *)", FlexibleTimeWindow=off, Target=target)
    chaos.server.kill()
    until(lambda: datetime.now(UTC) > soon)
    chaos.server.start()

    def told() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=0).get("Messages", [])
        return found

    until(told)
    until(lambda: [s["Name"] for s in scheduler.list_schedules()["Schedules"]] == ["nightly"])
    chaos.restart()
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert message["Body"] == f"{soon:%Y-%m-%dT%H:%M:%SZ}"

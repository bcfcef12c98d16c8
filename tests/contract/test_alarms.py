"""CloudWatch alarms as boto3 users see them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


@pytest.fixture(scope="module")
def cloudwatch(server: TestServer) -> Any:
    return server.client("cloudwatch")


class Alarm:
    """One alarm on a metric of its own: the sum of a minute, above 10, in 2 of 3 minutes."""

    def __init__(self, cloudwatch: Any, **more: Any) -> None:
        self.cloudwatch, self.name, self.namespace = cloudwatch, unique("alarm"), unique("Alarms")
        given = {"MetricName": "M", "Namespace": self.namespace, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
        given |= {"Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold"} | more
        self.given = {k: v for k, v in given.items() if v is not None}
        self.put()

    def put(self, **more: Any) -> None:
        self.cloudwatch.put_metric_alarm(AlarmName=self.name, **self.given | more)

    def data(self, *values: float, name: str = "M") -> None:
        """One value a minute, the last one in the minute that has just ended."""
        end = time.time() // 60 * 60
        self.cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=[
            {"MetricName": name, "Timestamp": end - 60 * (len(values) - i) + 1, "Value": v} for i, v in enumerate(values)
        ])

    def about(self) -> dict[str, Any]:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return dict(found)

    def comes_to(self, state: str, seconds: float = 10.0) -> dict[str, Any]:
        return dict(until(lambda: about if (about := self.about())["StateValue"] == state else None, seconds))

    def history(self, **more: Any) -> list[dict[str, Any]]:
        return list(self.cloudwatch.describe_alarm_history(AlarmName=self.name, **more)["AlarmHistoryItems"])


def test_datapoints_make_an_alarm_and_end_it(cloudwatch: Any) -> None:
    alarm = Alarm(cloudwatch, OKActions=["arn:aws:lambda:us-east-1:123456789012:function:f"], AlarmDescription="too much")
    about = alarm.about()
    assert (about["StateValue"], about["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert about["AlarmArn"] == f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm.name}"
    assert (about["ActionsEnabled"], about["AlarmActions"], about["Dimensions"]) == (True, [], [])
    alarm.data(11.0, 1.0, 12.0)
    about = alarm.comes_to("ALARM")
    assert about["StateReason"].startswith("Threshold Crossed: 2 out of the last 3 datapoints [12.0 (")
    assert json.loads(about["StateReasonData"])["recentDatapoints"] == [11.0, 1.0, 12.0]
    assert about["StateUpdatedTimestamp"] == about["StateTransitionedTimestamp"] > about["AlarmConfigurationUpdatedTimestamp"]
    alarm.put(Threshold=20.0)
    assert alarm.comes_to("OK")["AlarmDescription"] == "too much"
    until(lambda: len(alarm.history()) == 5)
    kinds = [(i["HistoryItemType"], i["HistorySummary"]) for i in alarm.history(ScanBy="TimestampAscending")]
    assert ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM") in kinds
    assert ("StateUpdate", "Alarm updated from ALARM to OK") in kinds
    assert kinds[0] == ("ConfigurationUpdate", f'Alarm "{alarm.name}" created')
    (action,) = alarm.history(HistoryItemType="Action")
    assert action["HistorySummary"].startswith("Failed to execute action arn:aws:lambda")
    assert "not carried out here" in json.loads(action["HistoryData"])["error"]


def test_another_configuration_keeps_the_state_and_drops_what_it_does_not_name(cloudwatch: Any) -> None:
    alarm = Alarm(cloudwatch, AlarmDescription="first", Tags=[{"Key": "team", "Value": "a"}])
    alarm.data(11.0, 11.0, 11.0)
    alarm.comes_to("ALARM")
    del alarm.given["AlarmDescription"], alarm.given["DatapointsToAlarm"]
    alarm.put(TreatMissingData="ignore")
    about = alarm.about()
    assert "AlarmDescription" not in about
    assert "DatapointsToAlarm" not in about
    assert (about["StateValue"], about["TreatMissingData"]) == ("ALARM", "ignore")
    assert cloudwatch.list_tags_for_resource(ResourceARN=about["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "a"}]


def test_a_metric_math_alarm(cloudwatch: Any) -> None:
    alarm = Alarm.__new__(Alarm)
    alarm.cloudwatch, alarm.name, alarm.namespace = cloudwatch, unique("alarm"), unique("Alarms")
    stat = {"Period": 60, "Stat": "Sum"}
    alarm.given = {"EvaluationPeriods": 1, "Threshold": 0.5, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Metrics": [
        {"Id": "errors", "MetricStat": {"Metric": {"Namespace": alarm.namespace, "MetricName": "Errors"}, **stat}, "ReturnData": False},
        {"Id": "calls", "MetricStat": {"Metric": {"Namespace": alarm.namespace, "MetricName": "Calls"}, **stat}, "ReturnData": False},
        {"Id": "rate", "Expression": "errors / calls", "Label": "error rate"},
    ]}
    alarm.put()
    alarm.data(1.0, name="Errors")
    alarm.data(2.0, name="Calls")
    assert json.loads(alarm.comes_to("ALARM")["StateReasonData"])["recentDatapoints"] == [0.5]
    assert [m["Id"] for m in alarm.about()["Metrics"]] == ["errors", "calls", "rate"]


def test_what_fill_fills_is_a_datapoint(cloudwatch: Any) -> None:
    name, metric = unique("alarm"), {"Namespace": unique("Alarms"), "MetricName": "Errors"}
    cloudwatch.put_metric_alarm(
        AlarmName=name, EvaluationPeriods=2, Threshold=1.0, ComparisonOperator="LessThanThreshold", Metrics=[
            {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}, {"Id": "e", "Expression": "FILL(m, 0)"},
        ],
    )  # fmt: skip
    (about,) = until(lambda: cloudwatch.describe_alarms(AlarmNames=[name], StateValue="ALARM")["MetricAlarms"])
    assert json.loads(about["StateReasonData"])["recentDatapoints"] == [0.0, 0.0]


def test_a_percentile_alarm_on_a_dimension(cloudwatch: Any) -> None:
    dimensions = [{"Name": "Host", "Value": "a"}]
    alarm = Alarm(cloudwatch, Statistic=None, ExtendedStatistic="p90", Dimensions=dimensions, EvaluationPeriods=1, DatapointsToAlarm=1)
    end = time.time() // 60 * 60
    for host, value in (("a", 1.0), ("b", 99.0)):
        cloudwatch.put_metric_data(Namespace=alarm.namespace, MetricData=[{
            "MetricName": "M", "Timestamp": end - 30, "Dimensions": [{"Name": "Host", "Value": host}],
            "Values": [value, value + 100], "Counts": [90.0, 10.0],
        }])
    about = alarm.comes_to("ALARM")
    assert json.loads(about["StateReasonData"])["recentDatapoints"] == pytest.approx([11.0])
    assert json.loads(about["StateReasonData"])["statistic"] == "p90"


def test_state_can_be_set_until_the_next_evaluation(cloudwatch: Any) -> None:
    alarm = Alarm(cloudwatch)
    cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="ALARM", StateReason="a drill", StateReasonData='{"by": "me"}')
    about = alarm.about()
    assert (about["StateValue"], about["StateReason"], about["StateReasonData"]) == ("ALARM", "a drill", '{"by": "me"}')
    alarm.data(1.0, 1.0, 1.0)
    alarm.comes_to("OK")
    with pytest.raises(ClientError) as caught:
        cloudwatch.set_alarm_state(AlarmName="none", StateValue="OK", StateReason="x")
    assert (caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceNotFound", 404)
    with pytest.raises(ClientError, match="JSON"):
        cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason="x", StateReasonData="{")


def test_a_topic_hears_of_it(cloudwatch: Any, server: TestServer) -> None:
    sns, sqs = server.client("sns"), server.client("sqs")
    topic, url = sns.create_topic(Name=unique("alarms"))["TopicArn"], sqs.create_queue(QueueName=unique("alarms"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    alarm = Alarm(cloudwatch, AlarmActions=[topic], AlarmDescription="too much")
    alarm.data(11.0, 1.0, 12.0)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    envelope = json.loads(message["Body"])
    said = json.loads(envelope["Message"])
    assert envelope["Subject"] == f'ALARM: "{alarm.name}" in us-east-1'
    assert (said["AlarmName"], said["NewStateValue"], said["OldStateValue"]) == (alarm.name, "ALARM", "INSUFFICIENT_DATA")
    assert said["NewStateReason"] == alarm.about()["StateReason"]
    assert (said["Trigger"]["MetricName"], said["Trigger"]["Threshold"], said["AlarmDescription"]) == ("M", 10.0, "too much")
    (action,) = until(lambda: alarm.history(HistoryItemType="Action"))
    assert action["HistorySummary"] == f"Successfully executed action {topic}"


def test_disabled_actions_are_left_out(cloudwatch: Any) -> None:
    action = "arn:aws:lambda:us-east-1:123456789012:function:f"
    alarm = Alarm(cloudwatch, AlarmActions=[action])
    cloudwatch.disable_alarm_actions(AlarmNames=[alarm.name, "none"])
    assert alarm.about()["ActionsEnabled"] is False
    cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="ALARM", StateReason="1")
    cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason="2")
    cloudwatch.enable_alarm_actions(AlarmNames=[alarm.name])
    cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="ALARM", StateReason="3")
    until(lambda: alarm.history(HistoryItemType="Action"))
    until(lambda: len(alarm.history(HistoryItemType="StateUpdate")) == 3)
    assert len(alarm.history(HistoryItemType="Action")) == 1


def test_describing_filters_and_pages(cloudwatch: Any) -> None:
    prefix = unique("page")
    topic = f"arn:aws:sns:us-east-1:123456789012:{prefix}"
    for i in range(5):
        cloudwatch.put_metric_alarm(
            AlarmName=f"{prefix}-{i}", MetricName="M", Namespace=prefix, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="LessThanThreshold", AlarmActions=[topic] if i % 2 else [],
        )
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, PaginationConfig={"PageSize": 2})
    names = [[a["AlarmName"] for a in page["MetricAlarms"]] for page in pages]
    assert names == [[f"{prefix}-0", f"{prefix}-1"], [f"{prefix}-2", f"{prefix}-3"], [f"{prefix}-4"]]
    found = cloudwatch.describe_alarms(ActionPrefix=topic)["MetricAlarms"]
    assert [a["AlarmName"] for a in found] == [f"{prefix}-1", f"{prefix}-3"]
    assert cloudwatch.describe_alarms(AlarmNamePrefix=prefix, StateValue="ALARM")["MetricAlarms"] == []
    assert len(cloudwatch.describe_alarms_for_metric(MetricName="M", Namespace=prefix)["MetricAlarms"]) == 5
    assert cloudwatch.describe_alarms_for_metric(MetricName="M", Namespace=prefix, Statistic="Average")["MetricAlarms"] == []
    cloudwatch.delete_alarms(AlarmNames=[f"{prefix}-0", "none"])
    assert len(cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]) == 4
    history = cloudwatch.get_paginator("describe_alarm_history").paginate(AlarmName=f"{prefix}-1", PaginationConfig={"PageSize": 1})
    until(lambda: [i["HistoryItemType"] for page in history for i in page["AlarmHistoryItems"]] == ["ConfigurationUpdate"])


def test_tags(cloudwatch: Any) -> None:
    arn = Alarm(cloudwatch).about()["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError, match="does not exist"):
        cloudwatch.list_tags_for_resource(ResourceARN=f"{arn}x")


@pytest.mark.parametrize(("more", "words"), [
    ({"Period": 61}, "Period"),
    ({"DatapointsToAlarm": 4}, "DatapointsToAlarm"),
    ({"TreatMissingData": "maybe"}, "TreatMissingData"),
    ({"ExtendedStatistic": "p99"}, "exactly one of"),
    ({"Statistic": None, "ExtendedStatistic": "tm90"}, "tm90 is not implemented"),
    ({"Period": 86400, "EvaluationPeriods": 8}, "across more than 7 day"),
    ({"Threshold": None}, "Threshold is required"),
    ({"Metrics": [{"Id": "e", "Expression": "1"}]}, "cannot both be given"),
    ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "anomaly detection"),
])  # fmt: skip
def test_refused(cloudwatch: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        Alarm(cloudwatch, **more)


def test_a_period_that_ends_is_looked_at_by_itself(cloudwatch: Any) -> None:
    """High resolution: no late datapoint, no call, just time. Ends at most a period and a second after the data."""
    alarm = Alarm(cloudwatch, Period=10, EvaluationPeriods=1, DatapointsToAlarm=1)
    cloudwatch.put_metric_data(Namespace=alarm.namespace, MetricData=[{"MetricName": "M", "Value": 11.0, "StorageResolution": 1}])
    alarm.comes_to("ALARM", 25)

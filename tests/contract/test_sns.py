"""Amazon SNS as boto3 sees it: topics that deliver to queues."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


class Mail:
    """A topic, and queues that are subscribed to it."""

    def __init__(self, server: TestServer) -> None:
        self.sns, self.sqs = server.client("sns"), server.client("sqs")
        self.topic = self.sns.create_topic(Name=unique("topic"))["TopicArn"]

    def queue(self) -> tuple[str, str]:
        """(URL, ARN)."""
        url = self.sqs.create_queue(QueueName=unique("mail"))["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def subscribed(self, **attributes: str) -> str:
        """The URL of a new queue that gets what is published."""
        url, arn = self.queue()
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def bodies(self, url: str) -> list[str]:
        return [m["Body"] for m in self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]


@pytest.fixture
def mail(server: TestServer) -> Mail:
    return Mail(server)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        act()
    return str(caught.value.response["Error"]["Code"])


def test_a_message_in_its_envelope_and_raw(mail: Mail) -> None:
    plain, raw = mail.subscribed(), mail.subscribed(RawMessageDelivery="true")
    given = {"kind": {"DataType": "String", "StringValue": "greeting"}}
    sent = mail.sns.publish(TopicArn=mail.topic, Message="hello", Subject="news", MessageAttributes=given)
    (envelope,) = map(json.loads, mail.bodies(plain))
    assert {k: envelope[k] for k in ("Type", "MessageId", "TopicArn", "Subject", "Message", "MessageAttributes")} == {
        "Type": "Notification", "MessageId": sent["MessageId"], "TopicArn": mail.topic, "Subject": "news", "Message": "hello",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "greeting"}},
    }
    (message,) = mail.sqs.receive_message(QueueUrl=raw, MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == ("hello", given)


def test_filters(mail: Mail) -> None:
    blue = mail.subscribed(FilterPolicy=json.dumps({"colour": ["blue"]}), RawMessageDelivery="true")
    big = mail.subscribed(FilterPolicy=json.dumps({"size": [{"numeric": [">", 5]}]}), FilterPolicyScope="MessageBody", RawMessageDelivery="true")
    mail.sns.publish(TopicArn=mail.topic, Message='{"size": 9}', MessageAttributes={"colour": {"DataType": "String", "StringValue": "red"}})
    mail.sns.publish(TopicArn=mail.topic, Message='{"size": 1}', MessageAttributes={"colour": {"DataType": "String", "StringValue": "blue"}})
    assert mail.bodies(blue) == ['{"size": 1}']
    assert mail.bodies(big) == ['{"size": 9}']


def test_a_message_for_each_protocol(mail: Mail) -> None:
    url = mail.subscribed(RawMessageDelivery="true")
    mail.sns.publish(TopicArn=mail.topic, MessageStructure="json", Message=json.dumps({"default": "all", "sqs": "queues"}))
    assert mail.bodies(url) == ["queues"]
    assert refusal(lambda: mail.sns.publish(TopicArn=mail.topic, MessageStructure="json", Message="{}")) == "InvalidParameter"


def test_a_batch(mail: Mail) -> None:
    url = mail.subscribed(RawMessageDelivery="true")
    entries = [{"Id": "a", "Message": "1"}, {"Id": "b", "Message": "2"}, {"Id": "c", "Message": "3", "Subject": "two\nlines"}]
    done = mail.sns.publish_batch(TopicArn=mail.topic, PublishBatchRequestEntries=entries)
    assert [one["Id"] for one in done["Successful"]] == ["a", "b"]
    assert [one["Id"] for one in done["Failed"]] == ["c"]
    assert sorted(mail.bodies(url)) == ["1", "2"]


def test_what_a_queue_does_not_take_goes_to_the_dead_letters(mail: Mail) -> None:
    dead, dead_arn = mail.queue()
    url = mail.subscribed(RawMessageDelivery="true", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn}))
    mail.sqs.delete_queue(QueueUrl=url)
    mail.sns.publish(TopicArn=mail.topic, Message="undelivered")
    assert mail.bodies(dead) == ["undelivered"]


def test_subscriptions(mail: Mail) -> None:
    _, arn = mail.queue()
    one = mail.sns.subscribe(TopicArn=mail.topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    assert one.startswith(f"{mail.topic}:")
    assert mail.sns.subscribe(TopicArn=mail.topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"] == one
    mail.sns.set_subscription_attributes(SubscriptionArn=one, AttributeName="RawMessageDelivery", AttributeValue="true")
    about = mail.sns.get_subscription_attributes(SubscriptionArn=one)["Attributes"]
    assert (about["RawMessageDelivery"], about["Endpoint"], about["PendingConfirmation"]) == ("true", arn, "false")
    assert [s["SubscriptionArn"] for s in mail.sns.list_subscriptions_by_topic(TopicArn=mail.topic)["Subscriptions"]] == [one]
    pages = mail.sns.get_paginator("list_subscriptions").paginate()
    assert one in [s["SubscriptionArn"] for page in pages for s in page["Subscriptions"]]
    mail.sns.unsubscribe(SubscriptionArn=one)
    mail.sns.unsubscribe(SubscriptionArn=one)
    assert refusal(lambda: mail.sns.get_subscription_attributes(SubscriptionArn=one)) == "NotFound"


def test_topics(mail: Mail) -> None:
    name = unique("topic")
    where = mail.sns.create_topic(Name=name, Attributes={"DisplayName": "A"}, Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    assert mail.sns.create_topic(Name=name)["TopicArn"] == where
    assert refusal(lambda: mail.sns.create_topic(Name=name, Attributes={"DisplayName": "B"})) == "InvalidParameter"
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    mail.sns.set_topic_attributes(TopicArn=where, AttributeName="Policy", AttributeValue=policy)
    about = mail.sns.get_topic_attributes(TopicArn=where)["Attributes"]
    assert (about["DisplayName"], about["Policy"], about["Owner"]) == ("A", policy, "123456789012")
    mail.sns.tag_resource(ResourceArn=where, Tags=[{"Key": "l", "Value": "w"}])
    mail.sns.untag_resource(ResourceArn=where, TagKeys=["k"])
    assert mail.sns.list_tags_for_resource(ResourceArn=where)["Tags"] == [{"Key": "l", "Value": "w"}]
    assert where in [t["TopicArn"] for page in mail.sns.get_paginator("list_topics").paginate() for t in page["Topics"]]
    mail.sns.delete_topic(TopicArn=where)
    mail.sns.delete_topic(TopicArn=where)
    assert refusal(lambda: mail.sns.publish(TopicArn=where, Message="x")) == "NotFound"


@pytest.mark.parametrize(("act", "code"), [
    (lambda m: m.sns.subscribe(TopicArn=m.topic, Protocol="https", Endpoint="https://example.com"), "NotImplemented"),
    (lambda m: m.sns.subscribe(TopicArn=m.topic, Protocol="sqs", Endpoint="nowhere"), "InvalidParameter"),
    (lambda m: m.sns.create_topic(Name="a.fifo", Attributes={"FifoTopic": "true"}), "NotImplemented"),
    (lambda m: m.subscribed(FilterPolicy="{"), "InvalidParameter"),
    (lambda m: m.subscribed(FilterPolicy='{"a": [{"near": 1}]}'), "InvalidParameter"),
    (lambda m: m.sns.publish(TopicArn=m.topic, Message="x" * 262_145), "InvalidParameter"),
    (lambda m: m.sns.publish(PhoneNumber="+491711234567", Message="x"), "NotImplemented"),
])
def test_what_is_refused(mail: Mail, act: Callable[[Mail], Any], code: str) -> None:
    assert refusal(lambda: act(mail)) == code

"""Amazon SQS as boto3 sees it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def sqs(server: TestServer) -> Any:
    return server.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName=unique("q"))["QueueUrl"]
    return url


def arn(sqs: Any, url: str) -> str:
    found: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return found


def received(sqs: Any, url: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, **more}).get("Messages", [])
    return found


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    about = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return tuple(int(about[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed"))  # type: ignore[return-value]


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        act()
    return str(caught.value.response["Error"].get("QueryErrorCode") or caught.value.response["Error"]["Code"])


def test_a_message_s_way(sqs: Any, queue: str) -> None:
    """botocore compares the digests of bodies; those of attributes are compared with the sender's here."""
    given = {
        "colour": {"DataType": "String", "StringValue": "grün"}, "n": {"DataType": "Number", "StringValue": "7"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=queue, MessageBody="hällo", MessageAttributes=given)
    (message,) = received(sqs, queue, MessageAttributeNames=["All"], AttributeNames=["All"])
    assert (message["Body"], message["MessageId"], message["MD5OfBody"]) == ("hällo", sent["MessageId"], sent["MD5OfMessageBody"])
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    assert counts(sqs, queue) == (0, 1, 0)
    assert received(sqs, queue) == []
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, queue) == (0, 0, 0)


def test_the_digest_of_attributes_is_aws_s(sqs: Any, queue: str) -> None:
    """The example of boto's own tests and of the developer guide's algorithm, by hand."""
    import hashlib

    by_hand = b"".join(len(p).to_bytes(4, "big") + p for p in (b"a", b"String")) + b"\x01" + (1).to_bytes(4, "big") + b"x"
    sent = sqs.send_message(QueueUrl=queue, MessageBody="b", MessageAttributes={"a": {"DataType": "String", "StringValue": "x"}})
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(by_hand).hexdigest()


def test_a_message_that_nobody_deletes_comes_again(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    (first,) = received(sqs, queue, VisibilityTimeout=0)
    (second,) = received(sqs, queue, AttributeNames=["ApproximateReceiveCount"])
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    assert counts(sqs, queue) == (0, 1, 0), "an old receipt deletes nothing"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(sqs, queue) == (1, 0, 0)
    assert refusal(lambda: sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=9)) == "MessageNotInflight"


def test_a_long_poll_ends_with_the_message(sqs: Any, server: TestServer, queue: str) -> None:
    found: list[Any] = []
    began = time.monotonic()
    waiting = threading.Thread(target=lambda: found.extend(received(server.client("sqs"), queue, WaitTimeSeconds=20)))
    waiting.start()
    sqs.send_message(QueueUrl=queue, MessageBody="at last")
    waiting.join(15)
    assert [m["Body"] for m in found] == ["at last"]
    assert time.monotonic() - began < 15


def test_a_long_poll_ends_when_a_hidden_message_shows(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=1)
    assert counts(sqs, queue) == (0, 0, 1)
    assert [m["Body"] for m in received(sqs, queue, WaitTimeSeconds=20)] == ["x"]


def test_batches(sqs: Any, queue: str) -> None:
    entries = [{"Id": f"m{n}", "MessageBody": f"body {n}"} for n in range(9)]
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=[*entries, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}])
    assert [one["Id"] for one in sent["Successful"]] == [e["Id"] for e in entries]
    assert [(one["Id"], one["SenderFault"]) for one in sent["Failed"]] == [("bad", True)]
    messages = received(sqs, queue)
    assert sorted(m["Body"] for m in messages) == [e["MessageBody"] for e in entries]
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    hidden = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[{**h, "VisibilityTimeout": 60} for h in handles])
    assert len(hidden["Successful"]) == 9
    gone = sqs.delete_message_batch(QueueUrl=queue, Entries=[*handles, {"Id": "no", "ReceiptHandle": "nonsense"}])
    assert len(gone["Successful"]) == 9
    assert gone["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert counts(sqs, queue) == (0, 0, 0)


def test_dead_letters(sqs: Any, queue: str) -> None:
    dead = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": "2"})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for _ in range(2):
        assert len(received(sqs, queue, VisibilityTimeout=0)) == 1
    assert received(sqs, queue) == []
    (message,) = received(sqs, dead, AttributeNames=["All"])
    assert message["Body"] == "poison"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, queue)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_names_and_attributes(sqs: Any) -> None:
    name = unique("named")
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"}, tags={"team": "a"})["QueueUrl"]
    assert url.endswith(f"/123456789012/{name}")
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"] == url
    assert refusal(lambda: sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "6"})) == "QueueNameExists"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3"})
    about = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (about["VisibilityTimeout"], about["DelaySeconds"], about["MessageRetentionPeriod"]) == ("5", "3", "345600")
    sqs.tag_queue(QueueUrl=url, Tags={"b": "2"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "2"}
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName=name)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_a_queue_made_again_is_empty(sqs: Any) -> None:
    name = unique("again")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.delete_queue(QueueUrl=url)
    sqs.create_queue(QueueName=name)
    assert received(sqs, url) == []


def test_purge(sqs: Any, queue: str) -> None:
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    sqs.purge_queue(QueueUrl=queue)
    assert counts(sqs, queue) == (0, 0, 0)


@pytest.mark.parametrize(("act", "code"), [
    (lambda sqs, q: sqs.create_queue(QueueName="no spaces"), "InvalidParameterValue"),
    (lambda sqs, q: sqs.create_queue(QueueName="bad", Attributes={"VisibilityTimeout": "99999"}), "InvalidAttributeValue"),
    (lambda sqs, q: sqs.create_queue(QueueName="bad", Attributes={"Nonsense": "1"}), "InvalidAttributeName"),
    (lambda sqs, q: sqs.create_queue(QueueName="a.fifo", Attributes={"FifoQueue": "true"}), "NotImplemented"),
    (lambda sqs, q: sqs.send_message(QueueUrl=q, MessageBody="a\x00b"), "InvalidMessageContents"),
    (lambda sqs, q: sqs.send_message(QueueUrl=q, MessageBody="x" * (2**20 + 1)), "InvalidParameterValue"),
    (lambda sqs, q: sqs.send_message_batch(QueueUrl=q, Entries=[]), "EmptyBatchRequest"),
    (lambda sqs, q: sqs.send_message_batch(QueueUrl=q, Entries=[{"Id": "a", "MessageBody": "x"}] * 2), "BatchEntryIdsNotDistinct"),
    (lambda sqs, q: sqs.receive_message(QueueUrl=q, MaxNumberOfMessages=11), "InvalidParameterValue"),
    (lambda sqs, q: sqs.receive_message(QueueUrl=q + "-none"), "QueueDoesNotExist"),
    (lambda sqs, q: sqs.delete_message(QueueUrl=q, ReceiptHandle="nonsense"), "ReceiptHandleIsInvalid"),
])
def test_what_is_refused(sqs: Any, queue: str, act: Callable[[Any, str], Any], code: str) -> None:
    assert refusal(lambda: act(sqs, queue)) == code

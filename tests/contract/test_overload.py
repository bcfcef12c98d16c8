"""Ten times the requests that a model can answer: who is refused is told so at once, who is accepted is answered as ever."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sagewright.testing.models import Models
from sagewright.testing.overload import Load, load
from sagewright.testing.server import TestServer
from sagewright.testing.signed import Connection, request

SLOW = """
    import time

    def model_fn(model_dir):
        return None

    def transform_fn(model, body, kind, accept):
        time.sleep(0.005)  # the model's own time: at most 200 answers a second
        return "done", "text/plain"
"""
BODY = b"x" * 20_000
MIB = 2**20


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    with TestServer(tmp_path_factory.mktemp("overload") / "data", {"queue_seconds": "0.25"}) as server:
        yield Models(server)


@pytest.fixture(scope="module")
def endpoint(models: Models) -> str:
    """One process that answers at most 200 requests a second."""
    name, end = models.deploy(SLOW), time.monotonic() + 30
    raw = request(models.server, f"/endpoints/{name}/invocations", b"x")
    mine = Connection(models.server, foreign=True).exchange(raw)
    while [n for n, _ in Connection(models.server).exchange(raw).headers] == [n for n, _ in mine.headers]:
        assert time.monotonic() < end, "the gateway does not serve it"
        time.sleep(0.02)  # another process, which starts beside the first endpoint
    return name


def loaded(models: Models, endpoint: str, connections: int) -> Load:
    found = load(models.server, endpoint, BODY, connections=connections, seconds=4, pause=0.2)
    print(connections, found.statuses, f"{found.offered:.0f}/s", *(f"{found.percentile(p) * 1000:.0f} ms" for p in (0.5, 0.99)), found.grown // MIB, "MiB")
    return found


def test_ten_times_too_many(models: Models, endpoint: str) -> None:
    """How long requests take depends on the machine; how many wait at a time (Little's law) does not."""
    some, many = loaded(models, endpoint, 40), loaded(models, endpoint, 400)
    assert many.offered > 4 * many.answered, "it is an overload"
    assert set(many.statuses) == {200, 429}
    assert many.refusals == {(429, "throttlingexception")}
    assert many.waiting < 100, "who is accepted waits behind a few, not behind all the others"
    assert many.percentile(0.99) < 6 * many.percentile(0.5)
    assert many.answered > 0.15 * some.answered, "refusing must not keep it from its work"
    assert many.grown < 400 * len(BODY) * 3 + 64 * MIB
    # and it is over as soon as it ends
    reply = Connection(models.server).exchange(request(models.server, f"/endpoints/{endpoint}/invocations", b"x"))
    assert (reply.status, reply.body) == ("HTTP/1.1 200 OK", b"done")


def test_a_refusal_says_what_it_is(models: Models, endpoint: str) -> None:
    """As the SDKs read it, who try again by themselves."""
    raw = request(models.server, f"/endpoints/{endpoint}/invocations", BODY)
    crowd = [Connection(models.server) for _ in range(200)]
    for one in crowd:
        one.socket.sendall(raw)
    replies = [one.read() for one in crowd]
    refused = [reply for reply in replies if reply.status != "HTTP/1.1 200 OK"]
    assert len(refused) < len(replies)
    assert refused
    for reply in refused:
        assert (reply.status, reply.header("x-amzn-errortype")) == ("HTTP/1.1 429 Too Many Requests", "ThrottlingException")
        assert reply.body == b'{"message":"Production variant AllTraffic has too many requests waiting."}'
    for one in crowd:
        one.close()

"""Which worker a request goes to, and how much may be under way."""

from __future__ import annotations

import hashlib
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.gateway import gate as module
from sagewright.gateway.answer import Answer, Done
from sagewright.gateway.client import Worker
from sagewright.gateway.front import Plain
from sagewright.gateway.gate import Gate
from sagewright.gateway.meter import NAMESPACE, Meter
from sagewright.gateway.routes import VariantSpec
from sagewright.gateway.taps import Taps
from sagewright.wire.http import Request

KEY = ("1/r", "e")


class Carrier:
    """A connection to a worker that answers when it is told to."""

    strained = False

    def __init__(self) -> None:
        self.usable = True
        self.asked: list[Done] = []

    def room(self, seconds: float) -> bool:
        return True

    def submit(self, head: bytes, body: bytes, done: Done) -> None:
        self.asked.append(done)

    def expire(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class Front:
    """A client."""

    gone = False

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.back: list[bool] = []

    def answer(self, payload: bytes) -> None:
        self.said.append(payload)

    def give_back(self, *, later: bool = False) -> None:
        self.back.append(later)


class House:
    """An endpoint with two workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recorder: Any = None
        meter = Meter(lambda samples: None, NAMESPACE, lambda: 0.0)
        self.questions: list[int] = []
        self.gate = Gate(lambda number, grant: self.questions.append(number), meter, Taps(recorder, meter), skew=900.0, largest=100, seconds=60.0, queue=1.0, url="")
        self.gate.routes.put(KEY, "e", [VariantSpec("v", 1.0, ["/a", "/b"], instances=2)])
        self.put: list[str] = []
        monkeypatch.setattr(self.gate, "put", lambda worker: self.put.append(worker.path))
        self.carriers: dict[str, Carrier] = {}
        for worker in self.workers:
            worker.frames = self.carriers[worker.path] = Carrier()

    @property
    def workers(self) -> list[Worker]:
        return self.gate.routes.workers()

    def ask_signed(self) -> Front:
        """As ``ask``, with all that a gateway looks at before it sends a request on."""
        path = "/endpoints/e/invocations"
        signed = AWSRequest("POST", f"http://here{path}", data=b"x", headers={"Host": "here"})
        SigV4Auth(Credentials("AKIA", "secret"), "sagemaker", "r").add_auth(signed)
        headers = {name.lower(): value for name, value in signed.headers.items()}
        front: Any = Front()
        self.gate.handle(Plain(front, "e", Request("POST", path, "", headers), b"x"))
        return front  # type: ignore[no-any-return]

    def ask(self, body: bytes = b"x") -> Front:
        route = self.gate.routes.get(KEY)
        assert route is not None
        front: Any = Front()
        plain = Plain(front, "e", Request("POST", "/endpoints/e/invocations", "", {}), body)
        self.gate._send(plain, ("1", "r"), route, route.every[0], ())
        return front  # type: ignore[no-any-return]

    def asked(self) -> list[Done]:
        return [done for carrier in self.carriers.values() for done in carrier.asked]


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> House:
    return House(monkeypatch)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 10)


async def test_a_process_that_has_ended_is_passed_over(house: House) -> None:
    """It has no requests under way: the one with the fewest, that answers none."""
    house.carriers["/a"].usable = False
    for _ in range(4):
        house.ask()
    assert len(house.carriers["/b"].asked) == 4
    assert set(house.put) == {"/a"}, "its connection is opened again"


async def test_the_server_finds_one_where_nobody_can_be_reached_from_here(house: House) -> None:
    for carrier in house.carriers.values():
        carrier.usable = False
    front = house.ask()
    assert front.back == [False]
    assert sorted(house.put) == ["/a", "/b"]


@pytest.mark.usefixtures("small")
async def test_requests_together_have_so_many_bytes(house: House) -> None:
    first, second = house.ask(b"12345678"), house.ask(b"12345678")
    assert not first.said
    assert b" 429 " in second.said[0]
    [done] = house.asked()
    done(Answer(200, {}, b"1"))
    assert b" 200 " in first.said[0]
    assert not house.ask(b"12345678").said


async def test_a_key_that_is_to_be_asked_for_again_while_a_request_is_verified(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further gateway whose server is away could hand the request on to nobody."""
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, perf_counter=time.perf_counter)
    monkeypatch.setattr(module, "time", clock)
    owner = {"arn": "arn:aws:iam::1:root", "account": "1", "kind": "root", "access_key": "AKIA", "name": ""}
    front = house.ask_signed()
    house.gate.told(house.questions.pop(), {"secret": "secret", "token": None, "allowed": True, "principal": owner})
    assert (len(house.asked()), front.back) == (1, [])

    def slowly(body: bytes) -> Any:
        now[0] += 2 * module.TRUST
        return hashlib.sha256(body)

    monkeypatch.setattr(module, "hashlib", SimpleNamespace(sha256=slowly))
    front = house.ask_signed()
    assert (len(house.asked()), front.back, house.questions) == (2, [], [])
    house.ask_signed()
    assert house.questions, "the next one asks"

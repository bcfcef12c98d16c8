"""Which worker a request goes to, and how much may be under way."""

from __future__ import annotations

from typing import Any

import pytest

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
        self.gate = Gate(lambda number, grant: None, meter, Taps(recorder, meter), skew=900.0, largest=100, seconds=60.0, queue=1.0, url="")
        self.gate.routes.put(KEY, "e", [VariantSpec("v", 1.0, ["/a", "/b"], instances=2)])
        self.put: list[str] = []
        monkeypatch.setattr(self.gate, "put", lambda worker: self.put.append(worker.path))
        self.carriers: dict[str, Carrier] = {}
        for worker in self.workers:
            worker.frames = self.carriers[worker.path] = Carrier()

    @property
    def workers(self) -> list[Worker]:
        return self.gate.routes.workers()

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

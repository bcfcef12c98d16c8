"""Several containers as one worker: over HTTP, in frames, and when something is wrong on the way."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.gateway import frames
from sagewright.gateway.answer import Answer, Broken
from sagewright.gateway.client import Worker
from sagewright.gateway.frames import Frames
from sagewright.gateway.pipeline import TARGET, Late, Pipeline, joined, width, worker_at
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, Server


class Step(Handler):
    """Adds its name and what it was told to the body."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hold = threading.Event()
        self.hold.set()
        self.came = threading.Event()

    def invoke(self, request: Request) -> Response:
        self.came.set()
        self.hold.wait(10)
        body = request.body.decode()
        if f"fail-{self.name}" in body:
            return Response(b"no", "text/plain", 418)
        accept = request.headers.get("accept", "-")
        assert TARGET.lower() not in request.headers
        attributes = request.headers.get("x-amzn-sagemaker-custom-attributes", "")
        return Response(f"{body}>{self.name}({request.content_type},{accept}{attributes})".encode(), f"made/{self.name}")


class House:
    """Containers that serve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: dict[str, Step] = {}
        self.listeners: list[socket.socket] = []

    def serve(self, name: str, step: Step | None = None, worker: int = 0) -> str:
        path = str(self.folder / f"{name}-{worker}")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        handler = self.steps.setdefault(name, step or Step(name))
        threading.Thread(target=Server(handler, 1 << 20).run, args=(listener,), daemon=True).start()
        self.listeners.append(listener)
        return path

    def pipeline(self, *names: str) -> Pipeline:
        return Pipeline(json.dumps([[name, self.serve(name)] for name in names]))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    for step in house.steps.values():
        step.hold.set()
    for listener in house.listeners:
        listener.close()


HEADERS = {"Content-Type": "text/csv", "Accept": "x/y", "X-Amzn-SageMaker-Custom-Attributes": "!"}
HEAD = b"POST /invocations\ncontent-type:text/csv\naccept:x/y\nx-amzn-sagemaker-custom-attributes:!"
WHOLE = b"1>a(text/csv,-!)>b(made/a,-!)>c(made/b,x/y!)"


async def ask(pipeline: Pipeline, body: bytes, **more: str) -> Answer:
    return await pipeline.request("POST", "/invocations", {**HEADERS, **more}, body, seconds=5)


async def connected(pipeline: Pipeline) -> None:
    for part in pipeline.parts:
        part.frames = await frames.connect(part.path)
        assert isinstance(part.frames, Frames)


async def frame(pipeline: Pipeline, body: bytes, head: bytes = HEAD) -> Answer | Exception:
    assert pipeline.frames is not None
    done: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    pipeline.frames.submit(head, body, done.set_result)
    return await asyncio.wait_for(done, 5)


def test_addresses() -> None:
    ready = {"Sockets": ["/p", "/q", "/r"], "Containers": [["a", 1], ["b", 2]]}
    address = joined(ready)[0]
    assert json.loads(address) == [["a", "/p"], ["b", "/q", "/r"]]
    assert joined({"Sockets": ["/p", "/q"]}) == ["/p", "/q"]
    assert (width(address), width("/p")) == (1, 1)
    assert width(json.dumps([["a", "1", "2"], ["b", "3", "4", "5"]])) == 2


async def test_what_an_address_stands_for(house: House) -> None:
    assert type(worker_at("/p")) is Worker
    made = worker_at(json.dumps([["a", "/p"], ["b", "/q"]]))
    assert isinstance(made, Pipeline)
    assert [part.path for part in made.parts] == ["/p", "/q"]


async def test_the_body_and_its_type_go_from_step_to_step(house: House) -> None:
    pipeline = house.pipeline("a", "b", "c")
    answer = await ask(pipeline, b"1")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "made/c", WHOLE)
    assert [(step.container, step.status) for step in answer.steps] == [("a", 200), ("b", 200), ("c", 200)]
    assert all(step.took > 0 and step.waited >= 0 for step in answer.steps)
    assert pipeline.outstanding == 0
    pipeline.close()


async def test_a_target_alone(house: House) -> None:
    pipeline = house.pipeline("a", "b")
    answer = await ask(pipeline, b"1", **{TARGET: "b"})
    assert answer.body == b"1>b(text/csv,x/y!)"
    assert [step.container for step in answer.steps] == ["b"]
    with pytest.raises(Broken, match="there is no container z"):
        await ask(pipeline, b"1", **{TARGET: "z"})
    pipeline.close()


@pytest.mark.parametrize(("bad", "passed"), [("a", ["a"]), ("b", ["a", "b"]), ("c", ["a", "b", "c"])])
async def test_an_error_ends_the_way_and_says_whose_it_is(house: House, bad: str, passed: list[str]) -> None:
    pipeline = house.pipeline("a", "b", "c")
    await connected(pipeline)
    for answer in (await ask(pipeline, f"fail-{bad}".encode()), await frame(pipeline, f"fail-{bad}".encode())):
        assert isinstance(answer, Answer)
        assert (answer.status, answer.body, answer.container) == (418, b"no", bad)
        assert [step.container for step in answer.steps] == passed
    pipeline.close()


async def test_what_is_no_prediction_goes_to_the_first(house: House) -> None:
    pipeline = house.pipeline("a", "b")
    assert (await pipeline.request("GET", "/execution-parameters", {}, seconds=5)).container == "a"
    pipeline.close()


async def test_time_runs_out_for_all_together(house: House) -> None:
    pipeline = house.pipeline("a", "b")
    house.steps["b"].hold.clear()
    with pytest.raises(Late) as caught:
        await pipeline.request("POST", "/invocations", HEADERS, b"1", seconds=0.2)
    assert caught.value.container == "b"
    assert [(step.container, step.status) for step in caught.value.steps] == [("a", 200), ("b", 0)]
    assert pipeline.outstanding == 0
    pipeline.close()


async def test_another_process_of_a_container_that_does_not_answer(house: House) -> None:
    gone = str(house.folder / "gone")
    pipeline = Pipeline(json.dumps([["a", house.serve("a")], ["b", gone, house.serve("b")]]))
    for _ in range(4):
        assert (await ask(pipeline, b"1")).status == 200
    alone = Pipeline(json.dumps([["a", pipeline.parts[0].path], ["b", gone]]))
    with pytest.raises(Broken) as caught:
        await ask(alone, b"1")
    assert (caught.value.container, caught.value.untouched) == ("b", False), "a has had the request"
    first = Pipeline(json.dumps([["b", gone], ["a", pipeline.parts[0].path]]))
    with pytest.raises(Broken) as caught:
        await ask(first, b"1")
    assert (caught.value.container, caught.value.untouched) == ("b", True)
    pipeline.close()


async def test_the_last_answer_streams(house: House) -> None:
    pipeline = house.pipeline("a", "b", "c")
    answer, stream = await pipeline.stream("POST", "/invocations", HEADERS, b"1", seconds=5, total=5)
    assert (answer.container, pipeline.outstanding) == ("c", 1)
    assert b"".join([chunk async for chunk in stream]) == WHOLE
    assert pipeline.outstanding == 0
    answer, stream = await pipeline.stream("POST", "/invocations", HEADERS, b"fail-b", seconds=5, total=5)
    assert (answer.status, answer.container) == (418, "b")
    assert b"".join([chunk async for chunk in stream]) == b"no"
    assert pipeline.outstanding == 0
    answer, stream = await pipeline.stream("POST", "/invocations", HEADERS, b"1", seconds=5, total=5)
    await stream.aclose()
    assert pipeline.outstanding == 0
    pipeline.close()


async def test_frames_go_the_same_way(house: House) -> None:
    pipeline = house.pipeline("a", "b", "c")
    assert not pipeline.usable
    await connected(pipeline)
    assert pipeline.usable
    for answer in await asyncio.gather(*(frame(pipeline, b"1") for _ in range(50))):
        assert isinstance(answer, Answer)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "made/c", WHOLE)
        assert [step.container for step in answer.steps] == ["a", "b", "c"]
    assert not any(part.outstanding for part in pipeline.parts)
    pipeline.close()


async def test_frames_for_one_container(house: House) -> None:
    pipeline = house.pipeline("a", "b")
    await connected(pipeline)
    answer = await frame(pipeline, b"1", HEAD + b"\n" + TARGET.lower().encode() + b":b")
    assert isinstance(answer, Answer)
    assert answer.body == b"1>b(text/csv,x/y!)"
    outcome = await frame(pipeline, b"1", HEAD + b"\n" + TARGET.lower().encode() + b":z")
    assert isinstance(outcome, Broken)
    assert outcome.untouched
    pipeline.close()


async def test_frames_give_up_on_the_whole_way(house: House) -> None:
    pipeline = house.pipeline("a", "b")
    await connected(pipeline)
    house.steps["b"].hold.clear()
    assert pipeline.frames is not None
    done: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    pipeline.frames.submit(HEAD, b"1", done.set_result)
    await asyncio.to_thread(house.steps["b"].came.wait, 5)
    pipeline.frames.expire(time.perf_counter() - began + 1)
    assert not done.done()
    pipeline.frames.expire(0)
    outcome = await asyncio.wait_for(done, 5)
    assert isinstance(outcome, Late)
    assert outcome.container == "b"
    house.steps["b"].hold.set()
    assert await pipeline.parts[1].quiet(5)
    assert isinstance(await frame(pipeline, b"1"), Answer)
    pipeline.close()


async def test_frames_without_a_process_are_no_way(house: House) -> None:
    pipeline = Pipeline(json.dumps([["a", house.serve("a")], ["b", str(house.folder / "gone")]]))
    pipeline.parts[0].frames = await frames.connect(pipeline.parts[0].path)
    assert not pipeline.usable
    outcome = await frame(pipeline, b"1")
    assert isinstance(outcome, Broken)
    assert (outcome.container, outcome.untouched) == ("b", False)
    pipeline.close()

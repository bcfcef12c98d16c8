"""An invocation's way, with workers that are slow, broken or gone."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagewright.gateway.capture import Recorder as Captures
from sagewright.gateway.capture import spool
from sagewright.gateway.routes import Routes, VariantSpec
from sagewright.resources.platform import Platform
from sagewright.settings import Settings
from sagewright.slices.hosting import invoke
from sagewright.slices.hosting.invoke import Invocations
from sagewright.stores.metrics import Sample
from sagewright.wire.errors import ServiceError
from sagewright.wire.types import Call, Principal


class Recorder:
    """Metrics, kept."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def put(self, samples: Iterable[Sample]) -> None:
        self.samples += samples

    def total(self, name: str) -> float:
        return sum(s.value for s in self.samples if s.name == name)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.metrics, self.routes = folder, Recorder(), Routes()
        platform = SimpleNamespace(metrics=self.metrics, clock=lambda: 5.0, settings=Settings(max_payload=100), endpoint="http://me")
        recorder = Captures(**spool(Settings(data=folder)), told=lambda: None)
        self.invocations = Invocations(cast(Platform, platform), self.routes, recorder)
        self.heads: list[str] = []
        self.asked = asyncio.Semaphore(0)
        self.servers: list[asyncio.Server] = []

    async def worker(self, name: str, answer: bytes | None) -> str:
        """A worker that answers ``answer`` to everything, or never."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                self.asked.release()
                if answer is None:
                    await reader.read()
                else:
                    writer.write(answer)
                    await writer.drain()
            finally:
                writer.close()

        path = str(self.folder / name)
        self.servers.append(await asyncio.start_unix_server(talk, path))
        return path

    def serve(self, *sockets: str) -> None:
        spec = VariantSpec("v", 1.0, list(sockets), streams=dict.fromkeys(sockets, "v/i-1"), instances=1)
        self.routes.put(("1/r", "e"), "E", [spec])

    async def call(self, body: bytes = b"x", **params: Any) -> dict[str, Any]:
        return await self.invocations.invoke(self.made(Body=body, **params))

    def made(self, **params: Any) -> Call:
        who = Principal("arn:aws:iam::1:root", "1", "root")
        return Call("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "E", **params}, who, "1", "r", "id")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.invocations.meter.close()
    bench.routes.close()
    for server in bench.servers:
        server.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nX-Amzn-SageMaker-Custom-Attributes: seen\r\nSet-Cookie: no\r\nContent-Length: 2\r\n\r\nhi"


async def failure(bench: Bench, **params: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await bench.call(**params)
    return caught.value


async def test_headers_both_ways(bench: Bench) -> None:
    bench.serve(await bench.worker("a", OK))
    answer = await bench.call(ContentType="text/csv", Accept="text/plain", CustomAttributes="c=1", InferenceId="i")
    assert answer == {"Body": b"hi", "InvokedProductionVariant": "v", "ContentType": "text/csv", "CustomAttributes": "seen"}
    assert sorted(line for line in bench.heads[0].strip().split("\r\n")[1:]) == [
        "Accept: text/plain", "Content-Length: 1", "Content-Type: text/csv", "Host: model",
        "X-Amzn-SageMaker-Custom-Attributes: c=1", "X-Amzn-SageMaker-Inference-Id: i",
    ]


async def test_a_worker_that_is_gone_costs_nothing(bench: Bench) -> None:
    bench.serve(str(bench.folder / "gone"), await bench.worker("a", OK), str(bench.folder / "gone2"))
    for _ in range(6):
        assert (await bench.call())["Body"] == b"hi"
    await bench.invocations.meter.flush()
    assert (bench.metrics.total("Invocations"), bench.metrics.total("InvocationModelErrors")) == (6, 0)


async def test_no_worker_at_all(bench: Bench) -> None:
    bench.serve(str(bench.folder / "gone"), str(bench.folder / "gone2"))
    error = await failure(bench)
    assert (error.code, error.status) == ("ServiceUnavailable", 503)
    bench.serve()
    error = await failure(bench)
    assert (error.code, error.status) == ("ServiceUnavailable", 503)


async def test_a_time_out_is_a_model_error_with_status_0(bench: Bench) -> None:
    bench.invocations.platform.settings = Settings(invocation_timeout=0.05)
    bench.serve(await bench.worker("a", None))
    error = await failure(bench)
    assert (error.code, error.status, error.members["OriginalStatusCode"]) == ("ModelError", 424, 0)
    assert error.message.startswith('Received server error (0) from primary with message "Your invocation timed out')
    assert error.members["LogStreamArn"] == "arn:aws:logs:r:1:log-group:/aws/sagemaker/Endpoints/E:log-stream:v/i-1"
    await bench.invocations.meter.flush()
    assert (bench.metrics.total("Invocation5XXErrors"), bench.metrics.total("InvocationModelErrors")) == (1, 1)


async def test_a_broken_answer_is_not_sent_to_another_worker(bench: Bench) -> None:
    bench.serve(await bench.worker("a", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"), await bench.worker("b", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"))
    error = await failure(bench)
    assert (error.code, error.members["OriginalStatusCode"]) == ("ModelError", 0)
    assert len(bench.heads) == 1


async def test_a_request_that_poisons_its_worker_is_not_sent_to_another(bench: Bench) -> None:
    """The worker ends with the second request on a connection that it had kept, and its socket with it."""
    path, asked = str(bench.folder / "mortal"), 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\nx")
        asked += 1
        bench.servers[0].close()
        Path(path).unlink()
        writer.close()

    bench.servers.append(await asyncio.start_unix_server(talk, path))
    bench.serve(path)
    assert (await bench.call())["Body"] == b"hi"
    bench.serve(path, await bench.worker("other", OK))
    bench.routes.workers()[-1].outstanding = 1  # so that the first one gets it
    error = await failure(bench)
    assert (error.code, error.members["OriginalStatusCode"], asked, bench.heads) == ("ModelError", 0, 1, [])


async def test_an_error_whose_text_breaks_off(bench: Bench) -> None:
    bench.serve(await bench.worker("a", b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nhal"))
    error = await failure(bench)
    assert error.message.startswith("Received server error (500) from primary and could not load the entire response body. See http://me/#")
    assert (error.code, error.members["OriginalStatusCode"], error.members["OriginalMessage"]) == ("ModelError", 500, "")


async def test_a_stream_finds_another_worker_too(bench: Bench) -> None:
    bench.serve(str(bench.folder / "gone"), await bench.worker("a", OK), str(bench.folder / "gone2"))
    for _ in range(3):
        answer = await bench.invocations.stream(bench.made(Body=b"x"))
        assert [event["PayloadPart"]["Bytes"] async for event in answer["Body"]] == [b"hi"]


async def test_client_errors_of_a_model(bench: Bench) -> None:
    bench.serve(await bench.worker("a", b"HTTP/1.1 415 No\r\nContent-Length: 4\r\n\r\nwhat"))
    error = await failure(bench)
    assert error.message.startswith('Received client error (415) from primary with message "what". See http://me/#logEventViewer:group=/aws/sagemaker/Endpoints/E in account 1')
    assert (error.members["OriginalStatusCode"], error.members["OriginalMessage"]) == (415, "what")
    await bench.invocations.meter.flush()
    assert (bench.metrics.total("Invocation4XXErrors"), bench.metrics.total("Invocation5XXErrors")) == (1, 0)


async def test_back_pressure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoke, "BUSY", 2)
    bench.serve(await bench.worker("a", None))
    waiting = [asyncio.create_task(bench.call()) for _ in range(2)]
    for _ in waiting:
        await bench.asked.acquire()
    assert (await failure(bench)).status == 429
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    route = bench.routes.get(("1/r", "e"))
    assert route
    assert route.variants["v"].workers[0].outstanding == 0, "a caller that goes away frees its place"


@pytest.mark.parametrize(("params", "status", "text"), [
    ({"EndpointName": "other"}, 400, "Endpoint other of account 1 not found."),
    ({"body": b"x" * 101}, 413, "larger than 100 bytes"),
    ({"TargetModel": "m"}, 400, "TargetModel"),
    ({"TargetContainerHostname": "h"}, 400, "TargetContainerHostname"),
    ({"InferenceComponentName": "h"}, 400, "InferenceComponentName"),
    ({"TargetVariant": "w"}, 400, "Variant w of endpoint E not found."),
    ({"Accept": "a\r\nEvil: 1"}, 400, "printable ASCII"),
])
async def test_requests_that_cannot_be(bench: Bench, params: dict[str, Any], status: int, text: str) -> None:
    bench.serve(await bench.worker("a", OK))
    error = await failure(bench, **params)
    assert (error.code, error.status) == ("ValidationError", status)
    assert text in error.message


async def test_a_stream_that_breaks_says_so(bench: Bench) -> None:
    bench.serve(await bench.worker("a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"))
    answer = await bench.invocations.stream(bench.made(Body=b"x"))
    events = [event async for event in answer["Body"]]
    assert events[0] == {"PayloadPart": {"Bytes": b"ab"}}
    assert events[1]["ModelStreamError"]["ErrorCode"] == "StreamBroken"


async def test_latencies_are_microseconds(bench: Bench) -> None:
    bench.serve(await bench.worker("a", OK))
    await bench.call()
    await bench.invocations.meter.flush()
    [latency] = [s for s in bench.metrics.samples if s.name == "ModelLatency"]
    assert (latency.unit, latency.namespace, latency.timestamp) == ("Microseconds", "AWS/SageMaker", 5.0)
    assert latency.dimensions == (("EndpointName", "E"), ("VariantName", "v"))
    assert 10 < latency.value < 5e6

"""The pump against a real store and a real Unix socket server that is slow, wrong or gone on demand."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.directory.store import DirectoryObjects
from sagewright.gateway.client import Worker
from sagewright.slices.transform.engine.capture import capture
from sagewright.slices.transform.engine.inputs import NoInput
from sagewright.slices.transform.engine.plan import complete, plan
from sagewright.slices.transform.engine.pump import MARK, Pump
from sagewright.slices.transform.engine.sending import Instance

Answer = Callable[[bytes], Awaitable[tuple[int, bytes]]]


class Model:
    """Serves ``answer`` over a Unix socket; counts what is under way."""

    def __init__(self, path: Path) -> None:
        self.path, self.bodies, self.now, self.most = str(path), list[bytes](), 0, 0
        self.answer: Answer = self.upper
        self.writers = set[asyncio.StreamWriter]()

    async def upper(self, body: bytes) -> tuple[int, bytes]:
        return 200, body.upper()

    async def start(self) -> None:
        self.server = await asyncio.start_unix_server(self.handle, self.path)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = b""
                if b"chunked" in head:
                    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                        body += (await reader.readexactly(size + 2))[:-2]
                    await reader.readexactly(2)
                else:
                    body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                self.bodies.append(body)
                self.now += 1
                self.most = max(self.most, self.now)
                status, data = await self.answer(body)
                self.now -= 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(data), data))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.objects, self.model = DirectoryObjects(folder / "objects"), Model(folder / "model")
        self.objects.create_bucket("b", "1", "r")
        self.said: list[str] = []

    def put(self, key: str, data: bytes) -> None:
        writer = self.objects.writer("b", key)
        writer.write(data)
        writer.commit()

    def results(self) -> dict[str, bytes]:
        found = {}
        for info in self.objects.list("b", "out/").objects:
            with self.objects.open("b", info.key)[1] as stream:
                found[info.key.removeprefix("out/")] = stream.read()
        return found

    def pump(self, mark: str = "job#1", **doc: Any) -> Pump:
        source = {"SplitType": "None", "CompressionType": "None", **doc.pop("TransformInput", {})}
        output = {"AssembleWith": "None", **doc.pop("TransformOutput", {})}
        made = plan({"TransformInput": source, "TransformOutput": output, "ModelClientConfig": {"InvocationsMaxRetries": 1}, **doc}, {})
        return Pump(self.objects, [Instance([Worker(self.model.path)], made, self.said.append)], made, mark)

    async def run(self, uri: str = "s3://b/in/", kind: str = "S3Prefix", **doc: Any) -> str:
        return await self.pump(**doc).run({"S3Uri": uri, "S3DataType": kind}, "s3://b/out")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.model.start()
    yield bench
    bench.model.server.close()
    for writer in bench.model.writers:
        writer.close()
    bench.objects.close()


LINES = {"TransformInput": {"SplitType": "Line"}, "TransformOutput": {"AssembleWith": "Line"}}


async def test_whole_objects(bench: Bench) -> None:
    for n in range(5):
        bench.put(f"in/d/{n}.txt", b"abc%d" % n)
    assert await bench.run() == ""
    assert bench.results() == {f"d/{n}.txt.out": b"ABC%d" % n for n in range(5)}


async def test_order_is_kept_though_answers_are_not(bench: Bench) -> None:
    async def later_first(body: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(0.03 if int(body) % 3 == 0 else 0.001)
        return 200, body

    bench.model.answer = later_first
    rows = [b"%d" % n for n in range(60)]
    bench.put("in/a", b"\n".join(rows))
    assert await bench.run(**LINES, BatchStrategy="SingleRecord", MaxConcurrentTransforms=8) == ""
    assert bench.results()["a.out"] == b"\n".join(rows) + b"\n"
    assert 1 < bench.model.most <= 8


async def test_slots_are_shared_by_files(bench: Bench) -> None:
    async def slow(body: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(0.002)
        return 200, body

    bench.model.answer = slow
    for n in range(12):
        bench.put(f"in/{n:02}", b"\n".join(b"%d" % k for k in range(10)))
    assert await bench.run(**LINES, BatchStrategy="SingleRecord", MaxConcurrentTransforms=3) == ""
    assert bench.model.most == 3
    assert set(bench.results().values()) == {b"".join(b"%d\n" % k for k in range(10))}


async def test_batches_stay_within_a_file_and_the_limit(bench: Bench) -> None:
    bench.put("in/a", b"\n".join([b"x" * 300_000] * 8))
    bench.put("in/b", b"y")
    assert await bench.run(**LINES, MaxPayloadInMB=1) == ""
    assert sorted(len(body) for body in bench.model.bodies) == [1, 600_001, 900_002, 900_002]
    assert bench.results()["a.out"].count(b"\n") == 8


async def test_one_bad_record_costs_its_file_only(bench: Bench) -> None:
    async def picky(body: bytes) -> tuple[int, bytes]:
        return (400, b"cannot read bad") if body == b"bad" else (200, body)

    bench.model.answer = picky
    bench.put("in/a", b"1\n2")
    bench.put("in/b", b"1\nbad\n3")
    bench.put("in/c", b"1")
    reason = await bench.run(**LINES, BatchStrategy="SingleRecord", MaxConcurrentTransforms=4)
    assert reason == "b/in/b: Bad HTTP status received from algorithm: 400: cannot read bad (record 2) (1 of 3 objects failed)"
    assert bench.results() == {"a.out": b"1\n2\n", "c.out": b"1\n"}
    assert bench.said == ["b/in/b: Bad HTTP status received from algorithm: 400: cannot read bad (record 2)"]
    assert bench.model.bodies.count(b"bad") == 1, "a client error is not tried again"


@pytest.mark.parametrize("split", ["None", "Line"])
async def test_a_server_error_is_tried_again(bench: Bench, split: str) -> None:
    tries: list[bytes] = []

    async def flaky(body: bytes) -> tuple[int, bytes]:
        tries.append(body)
        return (503, b"busy") if len(tries) == 1 else (200, body)

    bench.model.answer = flaky
    bench.put("in/a", b"1")
    assert await bench.run(TransformInput={"SplitType": split}) == ""
    assert (tries, bench.results()) == ([b"1", b"1"], {"a.out": b"1"})


async def test_tries_end(bench: Bench) -> None:
    async def never(body: bytes) -> tuple[int, bytes]:
        return 500, b"no"

    bench.model.answer = never
    bench.put("in/a", b"1")
    assert await bench.run() == "b/in/a: Bad HTTP status received from algorithm: 500: no (1 of 1 objects failed)"
    assert len(bench.model.bodies) == 2
    assert bench.results() == {}


async def test_no_answer_in_time(bench: Bench) -> None:
    async def hang(body: bytes) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    bench.model.answer = hang
    bench.put("in/a", b"1")
    reason = await bench.run(**LINES, ModelClientConfig={"InvocationsTimeoutInSeconds": 0.05, "InvocationsMaxRetries": 0})
    assert "did not respond to /invocations request within 0.05 seconds" in reason


@pytest.mark.parametrize(("doc", "text"), [
    ({"TransformInput": {"SplitType": "Line"}}, "Too much data for max payload size: a line of"),
    ({}, "Too much data for max payload size: the object has more than"),
])
async def test_too_large(bench: Bench, doc: dict[str, Any], text: str) -> None:
    bench.put("in/a", b"x" * 1_100_000)
    assert text in await bench.run(**doc, MaxPayloadInMB=1)
    assert bench.results() == {}


async def test_unlimited_payloads_stream_both_ways(bench: Bench) -> None:
    bench.put("in/a", b"x" * 9_000_000)
    assert await bench.run(MaxPayloadInMB=0) == ""
    assert bench.results()["a.out"] == b"X" * 9_000_000


async def test_gzip(bench: Bench) -> None:
    bench.put("in/a.gz", gzip.compress(b"a\nb"))
    bench.put("in/bad.gz", gzip.compress(b"c" * 1000)[:-9])
    bench.put("in/not.gz", b"plain")
    reason = await bench.run(TransformInput={"SplitType": "Line", "CompressionType": "Gzip"}, BatchStrategy="SingleRecord")
    assert "(2 of 3 objects failed)" in reason
    assert bench.results() == {"a.gz.out": b"AB"}


async def test_filters_and_join(bench: Bench) -> None:
    async def total(body: bytes) -> tuple[int, bytes]:
        return 200, b"".join(b"%d\n" % sum(int(cell) for cell in line.split(b",")) for line in body.splitlines())

    bench.model.answer = total
    bench.put("in/a.csv", b"id1,1,2\nid2,3,4\n")
    config = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    source, output = {"SplitType": "Line", "ContentType": "text/csv"}, {"AssembleWith": "Line", "Accept": "text/csv"}
    assert await bench.run(TransformInput=source, TransformOutput=output, DataProcessing=config) == ""
    assert bench.model.bodies == [b"1,2\n3,4"]
    assert bench.results() == {"a.csv.out": b"id1,3\nid2,7\n"}


async def test_join_of_a_whole_json_object(bench: Bench) -> None:
    async def one(body: bytes) -> tuple[int, bytes]:
        return 200, b'{"score": 1}'

    bench.model.answer = one
    bench.put("in/a.json", b'{"id": 5}')
    await bench.run(TransformInput={"ContentType": "application/json"}, DataProcessing={"JoinSource": "Input"})
    assert json.loads(bench.results()["a.json.out"]) == {"id": 5, "SageMakerOutput": {"score": 1}}


async def test_what_is_done_is_not_done_again(bench: Bench) -> None:
    go, reached = asyncio.Event(), asyncio.Event()

    async def wait(body: bytes) -> tuple[int, bytes]:
        if body == b"b":
            reached.set()
            await go.wait()
        return 200, body

    bench.model.answer = wait
    for name in "abc":
        bench.put(f"in/{name}", name.encode())
    running = asyncio.create_task(bench.run(**LINES))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.results() == {"a.out": b"a\n"}, "whole or not at all"
    go.set()
    bench.model.bodies.clear()
    assert await bench.run(**LINES) == ""
    assert bench.results() == {"a.out": b"a\n", "b.out": b"b\n", "c.out": b"c\n"}
    assert sorted(bench.model.bodies) == [b"b", b"c"]
    # another job of the same output writes anew
    assert await bench.run(mark="job#2", **LINES) == ""
    assert bench.objects.head("b", "out/a.out").metadata[MARK] == "job#2"


async def test_manifest(bench: Bench) -> None:
    bench.put("in/x/1", b"one")
    bench.put("in/2", b"two")
    bench.put("m", json.dumps([{"prefix": "s3://b/in/"}, "x/1", "2"]).encode())
    assert await bench.run("s3://b/m", "ManifestFile") == ""
    assert bench.results() == {"x/1.out": b"ONE", "2.out": b"TWO"}
    bench.put("m", b"[]")
    with pytest.raises(NoInput, match="JSON list"):
        await bench.run("s3://b/m", "ManifestFile")


async def test_a_manifest_s_missing_object_costs_no_other(bench: Bench) -> None:
    bench.put("in/1", b"one")
    bench.put("m", json.dumps([{"prefix": "s3://b/in/"}, "0", "1"]).encode())
    assert await bench.run("s3://b/m", "ManifestFile") == "b/in/0: the object does not exist (1 of 2 objects failed)"
    assert bench.results() == {"1.out": b"ONE"}
    bench.put("m", b'[{"prefix": "http://elsewhere/"}, "x"]')
    with pytest.raises(NoInput, match="Invalid S3 URI"):
        await bench.run("s3://b/m", "ManifestFile")


async def test_objects_are_shared_out_by_their_place(bench: Bench, tmp_path: Path) -> None:
    other = Model(tmp_path / "other")
    await other.start()
    for n in range(7):
        bench.put(f"in/{n}", b"%d" % n)
    pump = bench.pump()
    pump.instances.append(Instance([Worker(other.path)], pump.plan, bench.said.append))
    assert await pump.run({"S3Uri": "s3://b/in/", "S3DataType": "S3Prefix"}, "s3://b/out") == ""
    assert (sorted(bench.model.bodies), sorted(other.bodies)) == ([b"0", b"2", b"4", b"6"], [b"1", b"3", b"5"])
    assert bench.results() == {f"{n}.out": b"%d" % n for n in range(7)}
    other.server.close()
    for writer in other.writers:
        writer.close()


async def test_what_is_read_ahead_does_not_grow_with_the_object(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    megabyte, concurrent = 2**20, 2
    taken = answered = most = 0
    real = bench.objects.open

    def counted(bucket: str, key: str) -> Any:
        info, stream = real(bucket, key)
        read = stream.read

        def count(size: int = -1) -> bytes:
            nonlocal taken, most
            data = read(size)
            taken += len(data)
            most = max(most, taken - answered)
            return data

        return info, SimpleNamespace(read=count, close=stream.close)

    async def small(body: bytes) -> tuple[int, bytes]:
        nonlocal answered
        answered += len(body) + 1
        return 200, b"x\n"

    bench.model.answer = small
    bench.put("in/a", (b"y" * 1023 + b"\n") * 1024 * 24)
    monkeypatch.setattr(bench.objects, "open", counted)
    assert await bench.run(**LINES, MaxPayloadInMB=1, MaxConcurrentTransforms=concurrent) == ""
    assert taken == 24 * megabyte
    # the window, what waits to enter it, the block that is cut, and what lies in the socket's buffers
    assert most <= (2 * concurrent + 3) * megabyte


async def test_an_answer_that_waits_for_an_earlier_one_keeps_no_worker_idle(bench: Bench) -> None:
    later = asyncio.Event()

    async def first_last(body: bytes) -> tuple[int, bytes]:
        if body == b"0":
            await later.wait()
        if body == b"2":
            later.set()  # with two slots, only if 1 gave its own up while its answer waited
        return 200, body

    bench.model.answer = first_last
    bench.put("in/a", b"0\n1\n2\n3")
    async with asyncio.timeout(10):
        assert await bench.run(**LINES, BatchStrategy="SingleRecord", MaxConcurrentTransforms=2) == ""
    assert bench.results() == {"a.out": b"0\n1\n2\n3\n"}


async def test_capture_is_of_what_has_a_result_and_the_same_at_every_run(bench: Bench) -> None:
    bench.put("in/a", b"1")
    bench.put("in/d/b", b"2")
    doc = {
        "TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://b/in", "S3DataType": "S3Prefix"}}},
        "TransformOutput": {"S3OutputPath": "s3://b/out/"}, "DataCaptureConfig": {"DestinationS3Uri": "s3://b/cap/"},
        "TransformStartTime": 1767323045.5,
    }
    capture(bench.objects, doc, "job#1")
    assert bench.objects.list("b", "cap/").objects == [], "nothing has a result yet"
    assert await bench.run() == ""
    bench.put("out/d/b.out", b"of another")
    for _ in range(2):
        capture(bench.objects, doc, "job#1")
        found = {info.key: json.loads(bench.objects.open("b", info.key)[1].read()) for info in bench.objects.list("b", "cap/").objects}
        assert list(found.values()) == [[{"prefix": "s3://b/"}, "in/a"], [{"prefix": "s3://b/out/"}, "a.out"]]
    assert [key.rsplit("/", 1)[0] for key in found] == ["cap/input/2026/01/02/03", "cap/output/2026/01/02/03"]


async def test_no_input(bench: Bench) -> None:
    with pytest.raises(NoInput, match="No S3 objects found under s3://b/in/"):
        await bench.run()
    with pytest.raises(NoInput, match="does not exist"):
        await bench.run("s3://none/in/")


async def test_an_empty_file_has_an_empty_result(bench: Bench) -> None:
    bench.put("in/a", b"")
    assert await bench.run(**LINES) == ""
    assert bench.results() == {"a.out": b""}
    assert bench.model.bodies == []


def test_request_then_container_then_default() -> None:
    shape = {"TransformInput": {"SplitType": "None", "CompressionType": "None"}, "TransformOutput": {"AssembleWith": "None"}}
    said = {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}
    assert str(plan(shape, {})) == "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert str(plan(shape, said)) == "MaxConcurrentTransforms=4, MaxPayloadInMB=2, BatchStrategy=SINGLE_RECORD"
    given = {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 0}
    assert str(plan({**shape, **given}, said)) == "MaxConcurrentTransforms=2, MaxPayloadInMB=0, BatchStrategy=MULTI_RECORD"
    assert complete({**shape, **given})
    assert not complete({**shape, "BatchStrategy": "MultiRecord"})
    assert plan(shape, {**said, "MaxConcurrentTransforms": 96, "MaxPayloadInMB": 6}).concurrent == 16, "100 MB together"
    assert str(plan(shape, {"MaxConcurrentTransforms": "x", "MaxPayloadInMB": -1})) == str(plan(shape, {}))

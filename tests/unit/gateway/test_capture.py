"""Captured requests: encodings, the spool's files, what is dropped and counted."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.gateway import capture as module
from sagewright.gateway.answer import Answer
from sagewright.gateway.capture import Capture, Note, Recorder, Spool, folder_of, line, object_name


def wanted(**more: Any) -> Capture:
    about: dict[str, Any] = {"prefix": "s3://b/p/e/v", "percent": 100.0, "input": True, "output": True, "role": "r", "csv": ["text/csv"], "json": ["application/json"]}
    return Capture(**{**about, **more})


def note(body: bytes = b"1", kind: str = "text/csv", at: float = 0.0, capture: Capture | None = None, **headers: str) -> Note:
    given = {**({"content-type": kind} if kind else {}), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Note(capture or wanted(), "id", at, given, body, Answer(200, {"content-type": "application/json"}, b"{}"))


@pytest.mark.parametrize(("kind", "encoding"), [
    ("text/csv", "CSV"), ("text/csv; charset=utf-8", "CSV"), ("TEXT/CSV;header=present", "CSV"), ("application/json", "JSON"),
    ("text/plain", "BASE64"), ("", "BASE64"), ("text/csv2", "BASE64"),
])
def test_encodings(kind: str, encoding: str) -> None:
    side = json.loads(line(note(kind=kind)))["captureData"]["endpointInput"]
    assert side["encoding"] == encoding
    assert side["data"] == ("1" if encoding != "BASE64" else base64.b64encode(b"1").decode())
    assert side.get("observedContentType", "") == kind


@given(st.binary(max_size=200), st.sampled_from(["text/csv", "application/json", "other/kind"]))
def test_every_body_comes_back_on_one_line(body: bytes, kind: str) -> None:
    text = line(note(body, kind))
    assert b"\n" not in text
    side = json.loads(text)["captureData"]["endpointInput"]
    assert (base64.b64decode(side["data"]) if side["encoding"] == "BASE64" else side["data"].encode()) == body


def test_only_what_the_caller_sent_is_told() -> None:
    assert json.loads(line(note(at=1644859549.9)))["eventMetadata"] == {"eventId": "id", "inferenceTime": "2022-02-14T17:25:49Z"}
    told = json.loads(line(note(x_amzn_sagemaker_inference_id="i", x_amzn_sagemaker_custom_attributes="a")))["eventMetadata"]
    assert (told["inferenceId"], told["customAttributes"]) == ("i", ["a"])


def test_places_are_of_the_hour_in_utc() -> None:
    assert folder_of(1644859549.123) == "2022/02/14/17"
    assert object_name(1644859549.123).startswith("25-49-123-")


def test_a_share() -> None:
    assert not any(wanted(percent=0.0).wanted() for _ in range(100))
    assert all(wanted(percent=100.0).wanted() for _ in range(100))
    assert 300 < sum(wanted(percent=40.0).wanted() for _ in range(1000)) < 500


def heads(folder: Path, suffix: str) -> dict[str, list[bytes]]:
    """Place → lines of every file with that suffix."""
    found = {}
    for path in folder.glob(f"*{suffix}"):
        first, *rest = path.read_bytes().splitlines()
        found[json.loads(first)["Uri"]] = rest
    return found


def test_a_file_an_hour_and_a_variant(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 60.0, 1 << 20, 1.0)
    assert spool.write([note(at=3599.0), note(at=3600.0), note(at=3601.0), note(at=3601.0, capture=wanted(prefix="s3://b/p/e/w"))]) == 0
    sizes = {uri.rsplit("/", 1)[0]: len(lines) for uri, lines in heads(tmp_path, ".open").items()}
    assert sizes == {"s3://b/p/e/v/1970/01/01/00": 1, "s3://b/p/e/v/1970/01/01/01": 2, "s3://b/p/e/w/1970/01/01/01": 1}
    for path in tmp_path.glob("*.open"):
        with path.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer lives
    assert spool.settle(everything=True)
    assert len(heads(tmp_path, ".ready")) == 3


def test_files_end_by_size_and_ever_later_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    spool = Spool(tmp_path, 60.0, 2000, 1.0)
    waits = []
    for _ in range(8):
        spool.write([note()])
        assert spool.due
        waits.append(spool.due - now)
        now = spool.due
        assert spool.settle()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    now += 61
    spool.write([note()])
    assert spool.due == now + 1  # after a pause the first is quick again
    spool.write([note(b"x" * 3000)])
    assert spool.settle()


def test_a_full_disk_is_left_alone(tmp_path: Path) -> None:
    assert Spool(tmp_path, 60.0, 1 << 20, 0.0).write([note(), note()]) == 2
    assert list(tmp_path.iterdir()) == []


async def test_a_recorder_brings_everything_to_disk(tmp_path: Path) -> None:
    told = asyncio.Event()
    recorder = Recorder(tmp_path, 60.0, 1 << 20, 1.0, told.set)
    for number in range(100):
        recorder.add(note(str(number).encode(), at=time.time()))
    await asyncio.wait_for(told.wait(), 10)
    (lines,) = heads(tmp_path, ".ready").values()
    assert [json.loads(one)["captureData"]["endpointInput"]["data"] for one in lines] == [str(n) for n in range(100)]
    recorder.add(note(b"last"))
    await recorder.close()
    assert sum(map(len, heads(tmp_path, ".ready").values())) == 101


async def test_too_much_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "HELD", 1000)
    recorder = Recorder(tmp_path, 60.0, 1 << 20, 1.0, lambda: None)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            recorder.add(note(b"x" * 100))
        await recorder.close()
    kept = sum(map(len, heads(tmp_path, ".ready").values()))
    assert kept == 9
    assert "11 requests were answered and not captured" in caplog.text

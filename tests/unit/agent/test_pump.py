"""Output into lines, lines into numbers."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from sagewright.agent.pump import LONGEST_LINE, Lines, Pump, Searcher, Sink
from sagewright.testing.compute import task


@pytest.mark.parametrize(("chunks", "lines"), [
    ([b"a\nb\n"], ["a", "b"]),
    ([b"a", b"b\nc"], ["ab", "c"]),
    ([b"a\r\nb\r\n"], ["a", "b"]),
    ([b"10%\r50%\r100%\ndone\n"], ["100%", "done"]),
    ([b"\n\n"], ["", ""]),
    ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
    ([b"caf\xc3", b"\xa9\n"], ["café"]),
])
def test_lines(chunks: list[bytes], lines: list[str]) -> None:
    cutter = Lines()
    found = [line for chunk in chunks for line in cutter.feed(chunk)] + cutter.flush()
    assert found == lines


def test_a_huge_line_is_split_and_memory_stays_bounded() -> None:
    cutter = Lines()
    found = [line for _ in range(50) for line in cutter.feed(b"x" * 65536)] + cutter.flush()
    assert sum(map(len, found)) == 50 * 65536
    assert max(map(len, found)) == LONGEST_LINE


@pytest.mark.parametrize(("regex", "line", "value"), [
    (r"loss=([0-9.]+)", "epoch 1 loss=0.25 acc=0.9", 0.25),
    (r".*\[[0-9]+\].*#011validation-rmse:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*", "[3]\ttrain-rmse:1.5\tvalidation-rmse:2.5", 2.5),
    (r"rmse:\t(\d+)", "rmse:\t7", 7.0),
    (r"loss=(\S+)", "loss=high", None),
    (r"loss=\d+", "loss=1", None),
    (r"lr=(\S+)", "lr=1e-3", 0.001),
])
def test_search(regex: str, line: str, value: float | None) -> None:
    found = Searcher([{"Name": "m", "Regex": regex}]).search(line)
    assert found == ([] if value is None else [("m", value)])


def test_what_is_not_finite_is_no_metric() -> None:
    searcher = Searcher([{"Name": "m", "Regex": r"loss=(\S+)"}])
    assert [searcher.search(f"loss={text}") for text in ("nan", "inf", "-inf", "2")] == [[], [], [], [("m", 2.0)]]


def test_a_catastrophic_pattern_costs_a_moment_only() -> None:
    before = time.monotonic()
    assert Searcher([{"Name": "m", "Regex": r"(a+)+$"}]).search("a" * 40 + "b") == []
    assert time.monotonic() - before < 2


def test_partial_lines_are_shown_and_the_pipe_never_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagewright.agent.pump.PARTIAL_AFTER", 0.05)
    written: list[list[str]] = []

    class Broken(Sink):
        def write(self, lines: list[str]) -> None:
            written.append(lines)
            raise OSError("disk full")

    nothing: Any = None
    sink = Broken(task("t", ["x"]), nothing, nothing, nothing)
    reader, writer = os.pipe()
    pump = Pump(reader, sink)
    pump.start()
    os.write(writer, b"Password: ")
    until = time.monotonic() + 5
    while not written and time.monotonic() < until:
        time.sleep(0.01)
    assert written[0] == ["Password: "]
    os.write(writer, b"x" * 200_000 + b"\n")
    os.close(writer)
    pump.join(5)
    assert not pump.is_alive()
    assert isinstance(pump.error, OSError)

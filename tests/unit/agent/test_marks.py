"""Lines whose mark sends them to a log stream of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sagewright.adapters.files import FileLogs
from sagewright.agent.pump import Sink
from sagewright.testing.compute import task


def test_marked_lines_go_to_their_own_stream_without_the_mark(tmp_path: Path) -> None:
    logs: Any = FileLogs(tmp_path)
    work = task("t", ["true"], log_group="g", log_stream="app", log_marks={"\x1estart\x1e": "app/start"})
    sink = Sink(work, logs, None, lambda *_, **__: None)  # type: ignore[arg-type]
    sink.write(["one", "\x1estart\x1efirst", "two \x1estart\x1e", "\x1eother\x1ethree"])
    sink.write(["\x1estart\x1esecond"])

    def lines(stream: str) -> list[str]:
        return [event.message for event in logs.read("g", stream)[0]]

    assert lines("app") == ["one", "two \x1estart\x1e", "\x1eother\x1ethree"]
    assert lines("app/start") == ["first", "second"]
    assert sink.last == ["one", "two \x1estart\x1e", "\x1eother\x1ethree"]

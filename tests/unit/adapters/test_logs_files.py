"""Logs as files: names, positions, writers that die or write at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.adapters.files import FileLogs
from sagewright.adapters.files import logs as module
from sagewright.stores.logs import OVERHEAD, LogEvent

G, S = "/aws/sagemaker/TrainingJobs", "job/algo-1-1"


@pytest.fixture
def logs(tmp_path: Path) -> FileLogs:
    return FileLogs(tmp_path / "logs")


def texts(events: list[LogEvent]) -> list[str]:
    return [e.message for e in events]


def test_groups_and_streams(logs: FileLogs) -> None:
    assert logs.groups() == []
    assert logs.streams(G) == []
    assert logs.stream(G, S) is None
    assert (logs.create_group(G), logs.create_group(G)) == (True, False)
    assert (logs.create_stream(G, S), logs.create_stream(G, S)) == (True, False)
    logs.append("/other", "x", [LogEvent(5, "m"), LogEvent(7, "m")])
    assert logs.groups() == [G, "/other"]
    assert logs.groups("/aws") == [G]
    (empty,), (full,) = logs.streams(G), logs.streams("/other")
    assert (empty.name, empty.first, empty.last, empty.size) == (S, None, None, 0)
    assert empty.created > 1.6e12
    assert (full.name, full.first, full.last) == ("x", 5, 7)
    assert (logs.delete_stream(G, S), logs.delete_stream(G, S)) == (True, False)
    assert (logs.delete_group("/other"), logs.delete_group("/other")) == (True, False)
    assert logs.read("/other", "x") == ([], 0, 0)


names = st.one_of(
    st.sampled_from(["..", ".", "/", "../../etc/passwd", "a/b", "~", "~x", "x.log", ".name", "%2F", " ", "ü" * 200, "a" * 512, "\x00", "a\nb", "\r" * 100, "A", "a"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=names, streams=st.lists(names, min_size=1, max_size=4, unique=True))
def test_any_name_stays_inside_and_comes_back(tmp_path_factory: pytest.TempPathFactory, group: str, streams: list[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    root = folder / "logs"
    logs = FileLogs(root)
    for stream in streams:
        logs.append(group, stream, [LogEvent(1, stream)])
    assert logs.groups() == [group]
    assert logs.stream_names(group) == sorted(streams)
    for stream in streams:
        assert texts(logs.read(group, stream)[0]) == [stream]
    assert [p.name for p in folder.iterdir()] == ["logs"]
    assert {len(p.relative_to(root).parts) for p in root.rglob("*") if p.is_file()} == {2}
    logs.delete_group(group)
    assert list(root.iterdir()) == []


def test_a_link_in_a_streams_place_is_not_followed(logs: FileLogs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1 secret\n")
    logs.create_stream(G, S)
    path = next((tmp_path / "logs").rglob("*.log"))
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        logs.read(G, S)
    with pytest.raises(OSError, match="symbolic links"):
        logs.append(G, S, [LogEvent(1, "x")])


messages = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
event_lists = st.lists(st.builds(LogEvent, st.integers(0, 9), messages), max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=event_lists, size=st.integers(1, 9), start=st.one_of(st.none(), st.integers(0, 9)), end=st.one_of(st.none(), st.integers(0, 9)),
    backward=st.booleans(), most=st.one_of(st.none(), st.integers(1, 200)), block=st.sampled_from([1, 7, 64, 1 << 18]), torn=st.booleans(),
)
def test_pages_join_to_the_filtered_whole(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, events: list[LogEvent], size: int,
    start: int | None, end: int | None, backward: bool, most: int | None, block: int, torn: bool,
) -> None:
    root = tmp_path_factory.mktemp("pages")
    monkeypatch.setattr(module, "BLOCK", block)
    logs = FileLogs(root)
    logs.create_stream(G, S)
    logs.append(G, S, events)
    if torn:
        with next(root.rglob("*.log")).open("ab") as file:
            file.write(b"5 half a li")
    wanted = [(e.timestamp, e.message) for e in events if (start is None or e.timestamp >= start) and (end is None or e.timestamp < end)]
    seen: list[tuple[int, str]] = []
    position: int | None = None
    while True:
        page, low, high = logs.read(G, S, position, backward=backward, start=start, end=end, limit=size, most=most)
        assert len(page) <= size
        assert most is None or len(page) <= 1 or sum(len(module._line(e)) for e in page) <= most + 100
        assert all(a.position < b.position for a, b in pairwise(page))
        found = [(e.timestamp, e.message) for e in page]
        if page:
            assert logs.read(G, S, page[0].position, limit=1)[0] == page[:1]
        seen = found + seen if backward else seen + found
        if not page:
            again = logs.read(G, S, low if backward else high, backward=backward, start=start, end=end)
            assert again[0] == []
            break
        position = low if backward else high
    assert seen == wanted


def test_the_end_repeats_its_position_until_more_comes(logs: FileLogs) -> None:
    logs.append(G, S, [LogEvent(1, "one")])
    _, _, end = logs.read(G, S)
    assert logs.read(G, S, end) == ([], end, end)
    logs.append(G, S, [LogEvent(2, "two")])
    page, _, later = logs.read(G, S, end)
    assert texts(page) == ["two"]
    assert logs.read(G, S, later)[2] == later
    before, low, _ = logs.read(G, S, page[0].position, backward=True)
    assert (texts(before), low) == (["one"], 0)


def test_arrival_is_kept_where_it_differs(logs: FileLogs) -> None:
    given = [LogEvent(1000, "a", 5000), LogEvent(9000, "b", 5000), LogEvent(9000, "c")]
    logs.append(G, S, given)
    assert [(e.timestamp, e.ingested) for e in logs.read(G, S)[0]] == [(1000, 5000), (9000, 5000), (9000, 9000)]


def test_a_page_has_room_for_so_many_bytes(logs: FileLogs) -> None:
    logs.append(G, S, [LogEvent(i, "x" * 100) for i in range(10)])
    assert len(logs.read(G, S, most=3 * (100 + OVERHEAD))[0]) == 3
    assert [e.timestamp for e in logs.read(G, S, backward=True, most=3 * (100 + OVERHEAD))[0]] == [7, 8, 9]
    assert len(logs.read(G, S, most=1)[0]) == 1


def test_a_torn_line_is_passed_over_and_the_next_is_whole(logs: FileLogs, tmp_path: Path) -> None:
    logs.append(G, S, [LogEvent(1, "first")])
    path = next((tmp_path / "logs").rglob("*.log"))
    with path.open("ab") as file:
        file.write(b"2 never fin")
    page, _, high = logs.read(G, S)
    assert texts(page) == ["first"]
    assert texts(logs.read(G, S, backward=True)[0]) == ["first"]
    logs.append(G, S, [LogEvent(3, "third")])
    assert texts(logs.read(G, S)[0]) == ["first", "third"]
    assert texts(logs.read(G, S, high)[0]) == ["third"]
    assert texts(logs.read(G, S, backward=True)[0]) == ["first", "third"]


WRITER = """
import sys
from pathlib import Path
from sagewright.adapters.files import FileLogs
from sagewright.stores.logs import LogEvent
logs, who = FileLogs(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
n = 0
while n < int(sys.argv[3]):
    logs.append("g", "s", [LogEvent(n + i, f"{who} {n + i} " + "y" * (n * 37 % 5000)) for i in range(5)])
    n += 5
    if n % 100 == 0:
        print(n, flush=True)
"""


def writer(root: Path, who: str, count: int) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), who, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    assert started.stdout.readline() == "ready\n"
    return started


def test_lines_of_several_writers_never_mix(tmp_path: Path) -> None:
    writers = [writer(tmp_path, str(i), 2000) for i in range(3)]
    for one in writers:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    logs, position, found = FileLogs(tmp_path), None, []
    while any(one.poll() is None for one in writers):  # read along while they write
        page, _, position = logs.read("g", "s", position)
        found += page
    found += logs.read("g", "s", position, limit=100_000)[0]
    for one in writers:
        one.communicate()
        assert one.returncode == 0
    for i in range(3):
        mine = [e for e in found if e.message.startswith(f"{i} ")]
        assert [e.timestamp for e in mine] == list(range(2000))
    assert len(found) == 6000
    assert all(e.message == f"{e.message[0]} {e.timestamp} " + "y" * (e.timestamp // 5 * 5 * 37 % 5000) for e in found)


def test_what_append_answered_survives_kill_9(tmp_path: Path) -> None:
    one = writer(tmp_path, "w", 10**9)
    assert one.stdin
    assert one.stdout
    one.stdin.write("go\n")
    one.stdin.flush()
    for line in one.stdout:
        if int(line) >= 1000:
            break
    os.kill(one.pid, signal.SIGKILL)
    answered = int((line + one.stdout.read()).split()[-1])
    one.communicate()
    logs = FileLogs(tmp_path)
    logs.append("g", "s", [LogEvent(0, "after")])
    events = logs.read("g", "s", limit=10**9)[0]
    assert events[-1].message == "after"
    assert len(events) - 1 >= answered
    assert [e.timestamp for e in events[:-1]] == list(range(len(events) - 1))

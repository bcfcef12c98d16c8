"""Where the hosts of a job meet: who joins them, what everybody hears, what happens when that one goes."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.agent.network.meeting import Meeting

PEERS = ["algo-1", "algo-2", "algo-3"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    path = Path(f"/tmp/sw-meeting-{os.getpid()}.sock")  # a short path, as sockets need
    path.unlink(missing_ok=True)
    yield tmp_path, path
    assert not path.exists(), "whoever listened took its socket away"


def powerless() -> int:
    """A netlink socket that no kernel code answers: joining anything by it fails."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2).detach()


def heard(meeting: Meeting) -> bool:
    assert select.select([meeting], [], [], 10)[0], "no answer"
    return meeting.answer()


def test_one_is_first_and_all_hear_why_they_cannot_be_joined(place: tuple[Path, Path]) -> None:
    meetings = [Meeting(*place, PEERS) for _ in PEERS]
    assert [one.first for one in meetings] == [True, False, False]
    for number in (2, 1, 0):
        assert not select.select(meetings, [], [], 0)[0], "nobody hears anything before all are there"
        fds = [powerless() for _ in range(2 if meetings[number].first else 1)]
        meetings[number].arrive(PEERS[number], fds)
        for fd in fds:
            os.close(fd)
    for one in meetings:
        with pytest.raises(OSError, match="could not be joined"):
            heard(one)
    for one in meetings:
        one.close()


def test_many_at_once_agree_on_one(place: tuple[Path, Path]) -> None:
    together, meetings = threading.Barrier(8), []

    def come() -> None:
        together.wait()
        meetings.append(Meeting(*place, [f"algo-{n}" for n in range(8)]))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.first for one in meetings) == 1
    for one in meetings:
        one.close()


def test_when_the_first_goes_the_others_hear_and_the_next_to_come_is_first(place: tuple[Path, Path]) -> None:
    first, second = Meeting(*place, PEERS), Meeting(*place, PEERS)
    fd = powerless()
    second.arrive("algo-2", [fd])
    os.close(fd)
    first.close()
    assert heard(second) is False
    second.arrive("algo-2", [])  # not an error either
    third = Meeting(*place, PEERS)
    assert third.first
    for one in (second, third):
        one.close()


def test_a_socket_that_a_killed_agent_left_is_taken_over(place: tuple[Path, Path]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(place[1]))
    meeting = Meeting(*place, PEERS)
    assert meeting.first
    meeting.close()


def test_a_job_that_is_being_removed_has_no_meeting(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Meeting(tmp_path / "gone", tmp_path / "s", PEERS)

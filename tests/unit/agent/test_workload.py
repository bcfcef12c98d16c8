"""A sandboxed process as its agent holds it."""

from __future__ import annotations

import select
import socket

from sagewright.agent.workload import Workload


def test_a_job_may_be_over_before_anyone_looks() -> None:
    ours, theirs = socket.socketpair()
    workload = Workload(ours, None)
    theirs.sendall(b'{"init": 999999999}\n{"started": true}\n{"exit": 3}\n')
    workload.wait_started()
    assert (workload.started, workload.code) == (True, 3)
    poll = select.poll()
    assert workload.watch(poll) is False
    assert poll.poll(0) == []
    theirs.close()


def test_news_of_a_running_job_wake_the_agent() -> None:
    ours, theirs = socket.socketpair()
    workload = Workload(ours, None)
    theirs.sendall(b'{"started": true}\n')
    workload.wait_started()
    poll = select.poll()
    assert workload.watch(poll) is True
    assert poll.poll(0) == []
    theirs.close()
    assert poll.poll(1000)
    workload.read()
    assert workload.code == 137, "the sandbox was killed from outside"

"""A network of a job's own for its hosts: a network namespace each, joined by a bridge in one more.

The sandboxes make the namespaces (``sagewright_container.network``), the agent that comes first joins them (``meeting``,
``netlink``), and each agent carries what its host sends out (``forward``). ``plan`` says what it all looks like.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...stores.compute import Task
from ..layout import Layout
from ..staging import Cancelled
from ..workload import SandboxError, Workload
from .meeting import Meeting
from .plan import plan

if TYPE_CHECKING:
    from ..stopping import Control
    from .forward import Forwarders


class Network:
    """One host's part in its job's network. Raises SandboxError where the kernel, or another host's end, forbids it."""

    def __init__(self, layout: Layout, task: Task) -> None:
        self.task = task
        self.plan = plan(task)
        if task.meeting.startswith("/"):
            folder = Path(task.meeting)
            place = folder, folder / "meeting.sock"
        else:
            there = Layout(layout.data, task.meeting)
            place = there.folder, there.meeting
        try:
            self._meeting = Meeting(*place, task.peers)
        except FileNotFoundError:  # the job is over: its tasks are being removed
            raise Cancelled from None
        self._forwarders: Forwarders | None = None

    def request(self) -> dict[str, Any]:
        """For the sandbox's request."""
        return self.plan.request(switch=self._meeting.first)

    def start(self, workload: Workload, control: Control) -> None:
        """Join the sandbox to its peers, wait for them all, and let it start. Raises Cancelled on a stop meanwhile."""
        fds = workload.wait_network()
        count = 2 if self._meeting.first else 1
        try:
            self._meeting.arrive(self.task.hostname, fds[:count])
            self._wait(workload, control)
        except OSError as error:
            raise SandboxError(str(error)) from None
        finally:
            for fd in fds[:count]:
                os.close(fd)
        if fds[count:]:
            from .forward import Forwarders

            self._forwarders = Forwarders(self.plan, [socket.socket(fileno=fd) for fd in fds[count:]])
        workload.go()

    def _wait(self, workload: Workload, control: Control) -> None:
        poll = select.poll()
        for one in (self._meeting, control.socket, workload.conn):
            poll.register(one, select.POLLIN)
        while True:
            if control.grace() is not None:
                raise Cancelled
            ready = {fd for fd, _ in poll.poll()}
            if workload.conn.fileno() in ready:
                workload.read()
                if workload.code is not None:
                    raise SandboxError(workload.error or "it ended before every host was there")
            if self._meeting.fileno() in ready:
                if self._meeting.answer():
                    return
                poll.unregister(self._meeting)  # the server ends a job whose agent is gone: so we shall hear of it

    def close(self) -> None:
        """Leave; the network goes on for the others."""
        if self._forwarders is not None:
            with contextlib.suppress(Exception):
                self._forwarders.close()
        self._meeting.close()

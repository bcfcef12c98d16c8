"""What the MPI driver of the SageMaker SDK v3 asks of paramiko, ssh and sshd, answered by our own agent.

The driver comes with each job and expects an image with an SSH daemon, keys and a root user. It starts
``/usr/sbin/sshd -D``, tries hosts with ``SSHClient``, touches files on them with ``ssh HOST touch FILE`` and leaves the
rest to mpirun. Here these few calls go to ``sagewright_container.remote``; the driver stays as it is. ``sitecustomize``
shows this folder to that driver alone, and behind everything else, so that an image with the real thing uses it.
"""

import builtins
import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, List, Optional

from sagewright_container import ports, remote

SSHD, ENVIRONMENT = "/usr/sbin/sshd", "/etc/environment"
REACHED = 5.0
"""Seconds within which a host is tried again here. The driver sleeps for as long between two attempts."""
TOUCHED = {"/tmp/ready.": 5.0, "/tmp/done.": 86_400.0}
"""Files that other hosts touch by our agent, and the seconds that a look at one waits for that. The driver sleeps for 5 and
30 seconds between two looks, and has nothing else to do."""


class SSHException(Exception):
    """A host could not be reached."""


class MissingHostKeyPolicy:
    """There are no host keys: a host proves itself by the job's token."""


class AutoAddPolicy(MissingHostKeyPolicy):
    pass


client = SimpleNamespace(MissingHostKeyPolicy=MissingHostKeyPolicy, AutoAddPolicy=AutoAddPolicy)


class SSHClient:
    """Tells whether a host is there."""

    def __enter__(self) -> "SSHClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load_system_host_keys(self) -> None:
        pass

    def set_missing_host_key_policy(self, policy: object) -> None:
        pass

    def connect(self, hostname: str, port: int = 22, **_: object) -> None:
        try:
            remote.reach(hostname, ports.port(ports.REMOTE), REACHED).close()
        except remote.RemoteError as e:
            raise SSHException(str(e)) from e

    def close(self) -> None:
        pass


class _Popen(subprocess.Popen):  # type: ignore[type-arg, unused-ignore]
    """``ssh`` is our caller; ``sshd -D`` is our agent, in this process."""

    _agent: Optional[remote.Agent] = None

    def __init__(self, args: Any, *more: Any, **named: Any) -> None:
        if isinstance(args, list) and args[:1] == [SSHD]:
            host = socket.gethostbyname(os.environ.get("SM_CURRENT_HOST") or socket.gethostname())
            _Popen._agent = remote.Agent(remote.token(os.environ), host, os.getcwd(), ports.port(ports.REMOTE))
            args = ["true"]  # what the driver gets for its daemon; it never looks at it again
        elif isinstance(args, list) and args[:1] == ["ssh"]:
            args = [*_caller(), *args[1:]]
        super().__init__(args, *more, **named)


def _caller() -> List[str]:
    return [sys.executable, "-m", "sagewright_container.remote"]


_exists, _open = os.path.exists, builtins.open


def _there(path: Any) -> bool:
    agent, patience = _Popen._agent, [seconds for name, seconds in TOUCHED.items() if str(path).startswith(name)]
    if agent is not None and patience:
        with agent.idle:  # whoever touched it hears of that first: the driver ends at once when it sees the last one, and this host with it
            return agent.idle.wait_for(lambda: not agent.running and _exists(path), patience[0])
    return path == SSHD or _exists(path)


def _opened(file: Any, *more: Any, **named: Any) -> Any:
    # meant for the sessions of sshd; our agent's have this process's environment as it is
    return _open(os.devnull if file == ENVIRONMENT else file, *more, **named)


subprocess.Popen = _Popen  # type: ignore[misc]
os.path.exists = _there
builtins.open = _opened
os.environ["PRTE_MCA_plm_ssh_agent"] = " ".join(_caller())
os.environ["PRTE_MCA_plm_ssh_no_tree_spawn"] = "1"
os.environ.setdefault("LD_LIBRARY_PATH", "")

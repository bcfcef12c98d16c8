"""Ends what a node runs once its raylet is gone: to Ray the node is lost then, and its tasks run elsewhere.

``python -m sagewright.adapters.ray.watch FOLDER``, once per node and actor; holds no Ray.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import sys
from pathlib import Path

from ...agent.launcher import start_time
from .node import OWNER, WATCH, end_agents

LOOK = 60.0
"""Seconds between looks whether there is still something to watch over."""


def main() -> None:
    folder = Path(sys.argv[1])
    lock = os.open(folder / WATCH, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another one watches already
    os.ftruncate(lock, 0)
    os.write(lock, json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}).encode())
    owner = json.loads((folder / OWNER).read_text())
    try:
        fd = os.pidfd_open(owner["pid"])
        if start_time(owner["pid"]) == owner["started"]:
            while not select.select([fd], [], [], LOOK)[0]:
                if not folder.exists():
                    return  # the server has given up the node
    except ProcessLookupError:
        pass
    end_agents(folder)


if __name__ == "__main__":
    main()

"""What watches over a task's memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sagewright.agent.usage import Usage
from sagewright.stores.compute import Limits
from sagewright.testing.compute import task


def test_the_limit_is_watched_although_samples_cannot_be_stored(tmp_path: Path) -> None:
    """A full disk, or a database that is busy for too long, must not let a task have all of the machine's memory."""
    failed, ended = threading.Event(), threading.Event()

    class Full:
        def put(self, samples: Any) -> None:
            failed.set()
            raise OSError("no space left on device")

    made = task("t", ["true"], limits=Limits(memory=1), usage_namespace="n", usage_host="h")
    usage = Usage(made, Full(), tmp_path, list, ended.set, failed.is_set)  # type: ignore[arg-type]
    usage.start()
    assert failed.wait(10)
    assert ended.wait(10)
    usage.stop()
    usage.join()

"""The rivals, each in its own environment under .cache/peers (``make bench`` builds them), started and stopped here."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent.parent / ".cache" / "peers"


def program(peer: str, name: str) -> str:
    """A program of a peer's environment."""
    path = PEERS / peer / "bin" / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make bench`, which installs the peers")
    return str(path)


@contextlib.contextmanager
def moto() -> Iterator[Callable[[str], Any]]:
    """A moto server; yields a maker of boto3 clients."""
    import boto3

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [program("moto", "moto_server"), "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield lambda service: boto3.client(
            service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )
    finally:
        process.terminate()
        process.wait(10)

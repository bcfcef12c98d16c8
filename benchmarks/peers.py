"""The rivals, each in its own environment under .cache/peers (``make bench`` builds them), started and stopped here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

PEERS = Path(__file__).parent.parent / ".cache" / "peers"


def program(peer: str, name: str) -> str:
    """A program of a peer's environment."""
    path = PEERS / peer / "bin" / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make bench`, which installs the peers")
    return str(path)


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(url: str, body: str, content_type: str) -> bytes:
    asked = urllib.request.Request(url, body.encode(), {"Content-Type": content_type})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found: bytes = answer.read()
        return found


@contextlib.contextmanager
def started(command: list[str], url: str, **environ: str) -> Iterator[psutil.Process]:
    """A peer that runs until the end of the block, and whatever it has started."""
    out = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environ}, start_new_session=True)
    try:
        end = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    out.seek(0)
                    raise SystemExit(f"{command} did not start:\n{out.read().decode()[-3000:]}") from None
                time.sleep(0.1)  # another program: there is nothing to wait on but its port
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def moto() -> Iterator[Callable[[str], Any]]:
    """A moto server; yields a maker of boto3 clients."""
    import boto3

    port = free()
    url = f"http://127.0.0.1:{port}"
    with started([program("moto", "moto_server"), "-H", "127.0.0.1", "-p", str(port)], f"{url}/moto-api/"):
        yield lambda service: boto3.client(
            service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )


@contextlib.contextmanager
def mlflow(uri: str) -> Iterator[str]:
    """The address of an MLflow server with one worker over a store, with its pages, without its seven processes for jobs."""
    port = free()
    url = f"http://127.0.0.1:{port}"
    command = [program("mlflow", "python"), "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with started(command, f"{url}/health", MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        yield url

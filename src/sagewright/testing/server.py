"""A real server for tests: its own process and data directory, killed and started again at will."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..agent.layout import socket_folder
from .processes import living

READY = 60.0
"""Seconds a server may take to open its port, before the test fails."""


@dataclass
class TestServer:
    """``with TestServer(tmp_path) as server: server.client("s3")``."""

    __test__ = False

    data: Path
    settings: dict[str, str] = field(default_factory=dict)
    """Further settings, by name."""
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> TestServer:
        """Start and wait until it answers; the same port again after ``kill``."""
        port = self.url.rsplit(":", 1)[-1] if self.url else "0"
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEWRIGHT_"))}
        shared = os.environ.get("SAGEWRIGHT_ENVIRONMENTS")
        environ |= {"SAGEWRIGHT_ENVIRONMENTS": shared} if shared else {}
        environ |= {f"SAGEWRIGHT_{name.upper()}": value for name, value in self.settings.items()}
        state = self.data / "server.json"
        state.unlink(missing_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "test-server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sagewright", "up", "--port", port, "--data", str(self.data)],
                env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            )
        end = time.monotonic() + READY
        while not state.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{self.log()}")
            # there is no event to wait for: the file is the first thing that another process can see of it
            time.sleep(0.01)
        self.url = json.loads(state.read_text())["url"]
        return self

    def log(self) -> str:
        return (self.data / "test-server.log").read_text(errors="replace")[-5000:]

    def kill(self) -> None:
        """SIGKILL to the server process alone; jobs and workers go on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def processes(self) -> list[psutil.Process]:
        """Every living process that works for this data directory, the server itself among them.

        Agents are told of their folder of sockets alone, which lies elsewhere where the data directory's path is long.
        """
        names = (str(self.data), str(socket_folder(self.data)))
        return living(lambda process: any(name in a for a in process.cmdline() for name in names))

    def sweep(self) -> None:
        """Kill whatever still works for this data directory."""
        for process in self.processes():
            try:
                family = [*process.children(recursive=True), process]
            except psutil.Error:
                continue
            for one in family:
                with contextlib.suppress(psutil.Error):
                    one.kill()

    def credentials(self) -> dict[str, str]:
        """The operator's keys."""
        keys: dict[str, str] = json.loads((self.data / "credentials.json").read_text())
        return keys

    def execution_role(self) -> str:
        """The default execution role, path and name."""
        arn: str = self.client("sts").get_caller_identity()["Arn"]
        role = self.client("iam").get_role(RoleName=arn.split("/")[1])["Role"]["Arn"]
        return str(role).split(":role/")[1]

    def environment(self) -> dict[str, str]:
        """What ``sagewright env`` exports, over this process's own environment."""
        said = subprocess.run(
            [sys.executable, "-m", "sagewright", "env", "--json", "--data", str(self.data)],
            check=True, capture_output=True, text=True,
        )
        return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **json.loads(said.stdout)}

    def client(self, service: str, region: str = "us-east-1", **more: Any) -> Any:
        """A boto3 client as the operator."""
        import boto3
        from botocore.config import Config

        keys = self.credentials()
        given: Mapping[str, Any] = {
            "aws_access_key_id": keys["access_key"], "aws_secret_access_key": keys["secret_key"],
            "config": Config(retries={"max_attempts": 1}, **more.pop("config", {})), **more,
        }
        return boto3.client(service, endpoint_url=self.url, region_name=region, **given)

    def __enter__(self) -> TestServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.sweep()
        if not (sockets := socket_folder(self.data)).is_relative_to(self.data):
            shutil.rmtree(sockets, ignore_errors=True)

"""A flood of asynchronous requests while the server is killed again and again: every one must be answered, once.

The model puts a random word into each answer, so that an answer that was written twice is found out.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .models import Models
from .server import TestServer

MODEL = """
    import uuid

    def model_fn(d):
        return None

    def transform_fn(model, body, kind, accept):
        text = body.decode() if isinstance(body, bytes) else body
        return text + " " + uuid.uuid4().hex, "text/plain"
"""


@dataclass
class Flood:
    """One endpoint and what is sent to it.

    Args:
        server: one that may be killed.
        count: requests.
        objects: of them, how many have their input in S3; the others bring it themselves.
        senders: threads that send.
    """

    server: TestServer
    count: int
    objects: int
    senders: int = 2
    sent: float = 0.0
    """Seconds from the first request to the last 202, kills included."""
    answered: float = 0.0
    """Seconds from the first request to the last answer."""
    retried: int = 0
    """Calls that got no answer and were made again."""
    seen: dict[str, str] = field(default_factory=dict)
    """Answer → its ETag when it was first seen."""

    def __post_init__(self) -> None:
        self.models = Models(self.server)
        model, config = self.models.model(MODEL), self.models.name("flood")
        self.bucket = self.models.bucket
        self.models.sagemaker.create_endpoint_config(
            EndpointConfigName=config,
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{self.bucket}/out", "S3FailurePath": f"s3://{self.bucket}/failed"}},
        )
        self.endpoint = self.models.endpoint(config)
        about = self.models.settled(self.endpoint)
        assert about["EndpointStatus"] == "InService", about
        for n in range(self.objects):
            self.models.put(f"in/{n}", f"{n}")

    def run(self, kills: int, seconds: float) -> None:
        """Send everything, with ``kills`` SIGKILLs of the server spread over the sending and the working off."""
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for n in range(self.count):
            todo.put(n)
        began = time.monotonic()
        threads = [threading.Thread(target=self._send, args=(todo, began + seconds)) for _ in range(self.senders)]
        for thread in threads:
            thread.start()
        for kill in range(1, kills + 1):
            # most kills fall between requests coming in, the last ones into what is left to be worked off
            self._until(lambda: len(self._answers()) >= self.count * kill / (kills + 1), began + seconds)  # noqa: B023
            self.server.kill()
            self.server.start()
        for thread in threads:
            thread.join()
        self._until(lambda: len(self._answers()) >= self.count, began + seconds)
        self.answered = time.monotonic() - began

    def _send(self, todo: queue.SimpleQueue[int], end: float) -> None:
        runtime = self.server.client("sagemaker-runtime")
        began = time.monotonic()
        while True:
            try:
                n = todo.get_nowait()
            except queue.Empty:
                break
            given: dict[str, Any] = {"Body": str(n).encode()} if n >= self.objects else {"InputLocation": f"s3://{self.bucket}/in/{n}"}
            while time.monotonic() < end:
                try:
                    runtime.invoke_endpoint_async(EndpointName=self.endpoint, ContentType="text/plain", InferenceId=f"r{n}", **given)
                    break
                except (BotoCoreError, ClientError):
                    self.retried += 1
                    time.sleep(0.05)  # the server is being started again: another process, which tells nobody
        self.sent = max(self.sent, time.monotonic() - began)

    def _answers(self) -> dict[str, str]:
        """Every answer with its ETag. One that was there before must still be the same."""
        found: dict[str, str] = {}
        for page in self.models.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="out/"):
            found |= {o["Key"]: o["ETag"] for o in page.get("Contents", ())}
        if failed := self.models.keys("failed/"):
            raise AssertionError(self.models.get(failed[0]))
        for key, tag in self.seen.items():
            assert found.get(key) == tag, f"{key} was written again"
        self.seen |= found
        return found

    def _until(self, condition: Any, end: float) -> None:
        while True:
            try:
                if condition():
                    return
            except BotoCoreError:
                pass
            assert time.monotonic() < end, f"{len(self.seen)} of {self.count} answers\n{self.server.log()}"
            time.sleep(0.1)  # S3 tells nobody, and a list of everything is work for the server that is watched

    def check(self) -> None:
        """Every request has its own answer, and nothing else was written."""
        assert sorted(self._answers()) == sorted(f"out/r{n}.out" for n in range(self.count))
        folder = self.server.data / "objects" / "buckets" / self.bucket / "out"
        for n in range(self.count):
            assert (folder / f"r{n}.out").read_bytes().split()[0] == str(n).encode(), n

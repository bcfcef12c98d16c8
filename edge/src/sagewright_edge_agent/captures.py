"""Captured samples: on the disk before the application is answered, at the server when there is a connection."""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from .cloud import Cloud, Offline, Refused
from .config import Config
from .errors import AgentError
from .state import State, write_atomic

ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
REMEMBERED = 10_000


class Captures:
    """One device's samples. What waits outlives the agent; how the sent ones ended is known until it stops."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        self._lock = threading.Lock()
        self._ended: OrderedDict[tuple[str, str], str] = OrderedDict()

    def take(self, model: str, version: str, capture_id: str, body: dict[str, Any]) -> None:
        """Raises AgentError: INVALID_ARGUMENT, ALREADY_EXISTS, RESOURCE_EXHAUSTED when as many wait as may."""
        if not ID.fullmatch(capture_id):
            raise AgentError("INVALID_ARGUMENT", "capture_id must have 1 to 128 letters, digits, dots, dashes or underscores")
        now = datetime.datetime.now(datetime.UTC)
        about = {
            "version": "1.0", "deviceId": self.config.device, "deviceFleetName": self.config.fleet, "model": model, "modelVersion": version,
            "eventMetadata": {"eventId": capture_id, "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}, **body,
        }  # fmt: skip
        text = json.dumps(about).encode()
        if self.config.destination == "Disk":
            folder = Path(self.config.disk, model)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / f"{capture_id}.json", text)
            self._end(model, capture_id, "SUCCESS")
            return
        with self._lock:
            path = self.folder / f"{model}@{capture_id}.json"
            if path.exists() or (model, capture_id) in self._ended:
                raise AgentError("ALREADY_EXISTS", f"{capture_id} has been captured already")
            if len(self.waiting()) >= self.config.buffer:
                raise AgentError("RESOURCE_EXHAUSTED", f"{self.config.buffer} captures wait for a connection; no more are taken")
            write_atomic(path, text)

    def status(self, model: str, capture_id: str) -> str:
        if (self.folder / f"{model}@{capture_id}.json").exists():
            return "IN_PROGRESS"
        return self._ended.get((model, capture_id), "NOT_FOUND")

    def waiting(self) -> list[Path]:
        """The oldest first."""
        return sorted((p for p in self.folder.iterdir() if not p.name.startswith(".")), key=lambda p: (p.stat().st_mtime_ns, p.name))

    def push(self, cloud: Cloud, state: State) -> None:
        """Send what waits. Raises Offline; what the server refuses is noted as FAILURE and given up."""
        where = self._where(state)
        if not where:
            return
        for path in self.waiting():
            body = path.read_bytes()
            model, _, rest = path.name.partition("@")
            capture_id = rest.removesuffix(".json")
            at = json.loads(body)["eventMetadata"]["eventTime"]
            uri = f"{where}/{self.config.fleet}/{model}/{at[:4]}/{at[5:7]}/{at[8:10]}/{at[11:13]}/{self.config.device}-{capture_id}.json"
            try:
                cloud.upload(uri, body)
                self._end(model, capture_id, "SUCCESS")
            except Refused as error:
                if "ExpiredToken" in str(error) or "403" in str(error)[:3]:
                    raise Offline(str(error)) from error  # other keys may come
                self._end(model, capture_id, "FAILURE")
            path.unlink()

    def _where(self, state: State) -> str:
        if self.config.bucket:
            base = f"s3://{self.config.bucket}"
        else:
            base = str(state.registration.get("OutputConfig", {}).get("S3OutputLocation", "")).rstrip("/")
        return "/".join(part for part in (base, self.config.prefix.strip("/")) if part) if base else ""

    def _end(self, model: str, capture_id: str, status: str) -> None:
        self._ended[model, capture_id] = status
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

"""Stands in for the server before an agent: it offers what a test says, and lets the test wait for what the agent tells."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Stand:
    """``with Stand() as stand``; ``down`` and ``up`` take it from the network and put it back on the same port."""

    def __init__(self) -> None:
        self.offers: list[dict[str, Any]] = []
        self.objects: dict[str, bytes] = {}
        """Path → body: packages to fetch, and captures that have come."""
        self.heartbeats: list[dict[str, Any]] = []
        self.failing: set[str] = set()
        """Paths that answer 503."""
        self.requests: list[str] = []
        self._heard = threading.Condition()
        self._port = 0
        self.up()

    def up(self) -> None:
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["content-length"])))
                assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
                self.answer(*stand.post(self.path, given))

            def do_GET(self) -> None:
                body = stand.objects.get(self.path)
                self.answer(404 if body is None else 200, body or b"gone")

            def do_PUT(self) -> None:
                with stand._heard:
                    stand.objects[self.path] = self.rfile.read(int(self.headers["content-length"]))
                    stand._heard.notify_all()
                self.answer(200, b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(503 if self.path in stand.failing else status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Not to the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def post(self, path: str, given: dict[str, Any]) -> tuple[int, bytes]:
        with self._heard:
            self.requests.append(path)
            if path == "/SendHeartbeat" and path not in self.failing:
                self.heartbeats.append(given)
                told = given.get("DeploymentResult", {}).get("DeploymentName")
                self.offers = [offer for offer in self.offers if offer["DeploymentName"] != told]
            self._heard.notify_all()
        if path == "/GetDeployments":
            return 200, json.dumps({"Deployments": self.offers}).encode()
        if path == "/GetDeviceRegistration":
            about = {"OutputConfig": {"S3OutputLocation": "s3://captures/fleet-output"}}
            return 200, json.dumps({"DeviceRegistration": json.dumps(about), "CacheTTL": "3600"}).encode()
        return 200, b""

    def until(self, what: Callable[[], Any], seconds: float = 30.0) -> Any:
        """What is true after something that the agent has said, at last."""
        end = time.monotonic() + seconds
        with self._heard:
            while not (found := what()):
                assert self._heard.wait(end - time.monotonic()), f"not heard; requests: {self.requests[-10:]}"
        return found

    def offer(self, name: str, packages: dict[str, bytes], policy: str = "ROLLBACK_ON_FAILURE", **checksums: str) -> dict[str, Any]:
        """Offer packages by handle, wait for the result; the DeploymentResult."""
        self.post_offer(name, packages, policy, **checksums)
        return self.result(name)

    def post_offer(self, name: str, packages: dict[str, bytes], policy: str = "ROLLBACK_ON_FAILURE", **checksums: str) -> None:
        definitions = []
        for handle, body in packages.items():
            self.objects[f"/packages/{name}/{handle}.tar.gz"] = body
            checksum = {"Type": "SHA1", "Sum": checksums.get(handle) or hashlib.sha1(body).hexdigest()}
            definitions.append({"ModelHandle": handle, "S3Url": f"s3://packages/{name}/{handle}.tar.gz", "Checksum": checksum, "State": "DEPLOY"})
        self.offers.append({"DeploymentName": name, "Type": "Model", "FailureHandlingPolicy": policy, "Definitions": definitions})

    def results(self, name: str) -> list[dict[str, Any]]:
        return [h["DeploymentResult"] for h in self.heartbeats if h.get("DeploymentResult", {}).get("DeploymentName") == name]

    def result(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.until(lambda: self.results(name))[0]
        return found

    def configuration(self, home: Path, **more: Any) -> Path:
        """An agent's configuration file below ``home``."""
        path = home / "config.json"
        (home / "keys.json").write_text(json.dumps({"access_key": "key", "secret_key": "secret"}))
        path.write_text(json.dumps({
            "sagemaker_edge_core_device_name": "device", "sagemaker_edge_core_device_fleet_name": "fleet",
            "sagewright_edge_endpoint_url": f"http://127.0.0.1:{self._port}", "sagewright_edge_root": str(home / "root"),
            "sagewright_edge_credentials_file": str(home / "keys.json"), "sagewright_edge_heartbeat_seconds": 0.05, **more,
        }))  # fmt: skip
        return path

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

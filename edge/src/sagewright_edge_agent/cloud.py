"""Calls to the server, signed: Signature Version 4 in the standard library.

Reference: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import json
import os
import ssl
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from .config import Config

TIMEOUT = 20.0
BLOCK = 1 << 16
EMPTY = hashlib.sha256(b"").hexdigest()


class Offline(Exception):
    """No connection, no keys, or the server cannot answer now: try again later."""


class Refused(Exception):
    """The server's answer is no; the message is its own."""


class Cloud:
    """One server as this device sees it. Each call is a connection of its own: they are minutes apart."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._where = urlsplit(config.endpoint)
        self._tls = ssl.create_default_context(cafile=config.ca_file or None) if self._where.scheme == "https" else None

    def edge(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation of sagemaker-edge. Raises Offline, Refused."""
        body = json.dumps({"DeviceName": self.config.device, "DeviceFleetName": self.config.fleet, **params}).encode()
        with self._call("POST", f"/{operation}", "sagemaker", body, {"content-type": "application/json"}) as answer:
            text = answer.read()
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found

    def download(self, uri: str, target: IO[bytes], limit: int = 0) -> str:
        """Write an object to a file; its SHA-1. Raises Offline, Refused, and ValueError above ``limit`` bytes."""
        digest, size = hashlib.sha1(), 0
        with self._call("GET", _path(uri), "s3") as answer:
            length = int(answer.getheader("content-length") or 0)
            if limit and length > limit:
                raise ValueError(f"RESOURCE_EXHAUSTED: the package has {length} bytes, this device takes {limit}")
            while block := _read(answer):
                size += len(block)
                digest.update(block)
                target.write(block)
        if length and size < length:
            raise Offline(f"the connection ended after {size} of {length} bytes")
        return digest.hexdigest()

    def upload(self, uri: str, body: bytes) -> None:
        """Store an object. Raises Offline, Refused."""
        with self._call("PUT", _path(uri), "s3", body, {"content-type": "application/json"}) as answer:
            answer.read()

    def _call(self, method: str, path: str, service: str, body: bytes = b"", headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        host = self._where.netloc
        signed = self._sign(method, path, service, body, {**(headers or {}), "host": host})
        name, port = self._where.hostname or "", self._where.port
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(name, port, timeout=TIMEOUT, context=self._tls)
        else:
            connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, signed)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Offline(f"{self.config.endpoint}: {error}") from error
        if answer.status >= 300:
            text = answer.read(4096).decode("utf-8", "replace")
            connection.close()
            if answer.status >= 500 or answer.status == 429:
                raise Offline(f"{answer.status}: {text}")
            raise Refused(f"{answer.status}: {text}")
        return answer

    def _keys(self) -> tuple[str, str, str]:
        if self.config.credentials:
            try:
                found = json.loads(Path(self.config.credentials).read_text(encoding="utf-8"))
                return found["access_key"], found["secret_key"], found.get("session_token", "")
            except (OSError, ValueError, KeyError) as error:
                raise Offline(f"no keys in {self.config.credentials}: {error}") from error
        try:
            return os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN", "")
        except KeyError as error:
            raise Offline(f"no keys: {error} is not set, and there is no sagewright_edge_credentials_file") from error

    def _sign(self, method: str, path: str, service: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        access, secret, token = self._keys()
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        content = hashlib.sha256(body).hexdigest() if body else EMPTY
        headers = {**headers, "x-amz-date": now, "x-amz-content-sha256": content}
        if token:
            headers["x-amz-security-token"] = token
        names = ";".join(sorted(headers))
        # S3 signs the path as it stands; others quote it once more, which changes nothing in theirs
        request = "\n".join((method, path, "", *(f"{name}:{headers[name].strip()}" for name in sorted(headers)), "", names, content))
        scope = f"{now[:8]}/{self.config.region}/{service}/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}"
        return headers


def _path(uri: str) -> str:
    return "/" + quote(uri.removeprefix("s3://"), safe="/-_.~")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise Offline(str(error)) from error

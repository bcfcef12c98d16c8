"""A server to attack, what it has written so far, and requests that no client library would send."""

from __future__ import annotations

import hashlib
import http.client
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

BUCKET = "fort-bucket"


@dataclass
class Wire:
    """One request as it goes over the line; tests sign it and then change it."""

    method: str = "POST"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Fort:
    """The server under attack."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        where = urlsplit(server.url)
        self.host, self.port = where.hostname or "", where.port or 0
        self.netloc = where.netloc
        keys = server.credentials()
        self.keys = Credentials(keys["access_key"], keys["secret_key"])
        self.jobs = Jobs(server, BUCKET)
        self.account = server.client("sts").get_caller_identity()["Account"]
        self.last: dict[str, str] = {}
        """What there was when it was last looked at."""

    def client(self, service: str, **more: Any) -> Any:
        return self.server.client(service, **more)

    def sign(self, wire: Wire, service: str, region: str = "us-east-1", keys: Credentials | None = None) -> Wire:
        """The request with an honest signature."""
        request = AWSRequest(wire.method, f"http://{self.netloc}{wire.path}", dict(wire.headers), wire.body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(keys or self.keys, service, region).add_auth(request)
        return Wire(wire.method, wire.path, {"Host": self.netloc, **{k: str(v) for k, v in request.headers.items()}}, wire.body)

    def send(self, wire: Wire) -> Got:
        """Exactly the given head and body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.putrequest(wire.method, wire.path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": self.netloc, **wire.headers}.items():
                connection.putheader(name, value)
            if "Transfer-Encoding" not in wire.headers and not any(k.lower() == "content-length" for k in wire.headers):
                connection.putheader("Content-Length", str(len(wire.body)))
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before the body was read: the answer is there
                connection.send(wire.body)
            answer = connection.getresponse()
            return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def json(self, target: str, body: bytes = b"{}", **headers: str) -> Wire:
        return Wire("POST", "/", {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", **headers}, body)

    # what is written

    def footprint(self) -> dict[str, str]:
        """Everything that the server keeps, but its audit trail: name → digest."""
        data, found = self.server.data, {}
        for database in ("records.sqlite", "objects/index.sqlite"):
            found |= {f"{database}:{k}": v for k, v in _tables(data / database).items()}
        for folder in ("objects", "jobs", "logs", "oci"):
            for place, _, files in os.walk(data / folder):
                for name in files:
                    path = Path(place, name)
                    if "index.sqlite" not in name:
                        found[str(path.relative_to(data))] = str(path.stat().st_size)
        found["outside"] = " ".join(sorted(p.name for p in data.parent.iterdir()))
        return found

    def working(self) -> bool:
        """Whether the server still has instructions to carry out."""
        return any(k.startswith("work:") for k in _tables(self.server.data / "records.sqlite"))

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Nothing is written in here; what tests before this one have started ends first."""
        end = time.monotonic() + 20
        while self.working() and time.monotonic() < end:
            time.sleep(0.02)  # another process's records: there is nothing to wait on
        before = self.footprint()
        while before != self.last and time.monotonic() < end:
            self.last = before
            time.sleep(0.5)  # what follows a job's end in other records
            before = self.footprint()
        yield
        self.last = after = self.footprint()
        changed = {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
        assert not changed, f"something was written: {changed}\n{self.server.log()[-3000:]}"


def _tables(path: Path) -> dict[str, str]:
    found = {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if name.startswith("sqlite_"):
                continue
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            if "kind" in columns:
                kinds = [row[0] for row in connection.execute(f"SELECT DISTINCT kind FROM {name} WHERE kind <> 'AuditEvent'")]
                found |= {f"{name}:{kind}": _digest(connection.execute(f"SELECT * FROM {name} WHERE kind = ?", (kind,))) for kind in kinds}
            else:
                found[name] = _digest(connection.execute(f"SELECT * FROM {name}"))
    connection.close()
    return found


def _digest(rows: Iterable[Any]) -> str:
    texts = sorted(map(repr, rows))
    return f"{len(texts)}:{hashlib.sha256(''.join(texts).encode()).hexdigest()[:16]}"


@pytest.fixture(scope="session")
def fort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fort]:
    """A server of these tests' own, with a bucket and an object."""
    with TestServer(tmp_path_factory.mktemp("fort") / "data") as running:
        made = Fort(running)
        made.client("s3").put_object(Bucket=BUCKET, Key="kept", Body=b"kept")
        yield made


@pytest.fixture
def untouched(fort: Fort) -> Callable[[], AbstractContextManager[None]]:
    return fort.untouched


@pytest.fixture
def sealed(fort: Fort) -> Iterator[None]:
    """A test during which nothing may be written."""
    with fort.untouched():
        yield
    assert fort.client("s3").get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept", "the server still answers"

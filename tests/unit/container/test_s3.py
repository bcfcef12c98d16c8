"""The toolkit's own S3 read: its signature is botocore's, and its errors say what the store said."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer
from sagewright_container import s3


@pytest.mark.parametrize("token", ["", "session+token=="])
@pytest.mark.parametrize("key", ["a.tar.gz", "folder/with space/ü+~.tgz"])
def test_the_signature_is_botocores(monkeypatch: pytest.MonkeyPatch, token: str, key: str) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    environ = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "AWS_SESSION_TOKEN": token}
    path = quote("/bucket/" + key, safe="/-_.~")
    ours = s3.signed("127.0.0.1:4566", path, environ, now.timestamp())
    request = AWSRequest("GET", f"http://127.0.0.1:4566{path}", headers={"X-Amz-Date": ours["x-amz-date"]})
    request.context["timestamp"] = ours["x-amz-date"]
    auth = S3SigV4Auth(Credentials("AKIA", "secret", token or None), "s3", "eu-west-1")
    request.headers["X-Amz-Content-SHA256"] = ours["x-amz-content-sha256"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert ours["authorization"].endswith("Signature=" + auth.signature(text, request))


@pytest.fixture(scope="module")
def store(server: TestServer) -> tuple[Jobs, dict[str, str]]:
    keys = server.credentials()
    environ = {
        "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": keys["access_key"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "AWS_REGION": "us-east-1",
    }
    return Jobs(server, "toolkit-reads"), environ


def test_it_reads_any_key(store: tuple[Jobs, dict[str, str]], tmp_path: Path) -> None:
    jobs, environ = store
    for key in ("plain.bin", "folder/with space/ü+~%.bin"):
        jobs.put(key, b"x" * 3_000_000)
        s3.fetch("toolkit-reads", key, str(tmp_path / "got"), environ)
        assert (tmp_path / "got").read_bytes() == b"x" * 3_000_000


@pytest.mark.parametrize(
    ("bucket", "key", "change", "said"),
    [
        ("toolkit-reads", "missing", {}, r"NoSuchKey \(404\)"), ("nobody-has-this", "k", {}, r"NoSuchBucket \(404\)"),
        ("toolkit-reads", "k", {"AWS_SECRET_ACCESS_KEY": "wrong"}, r"SignatureDoesNotMatch \(403\)"),
        ("toolkit-reads", "k", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "ConnectionRefusedError"),
    ],
)  # fmt: skip
def test_a_refusal_has_its_code(
    store: tuple[Jobs, dict[str, str]], tmp_path: Path, bucket: str, key: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(s3.S3Error, match=said):
        s3.fetch(bucket, key, str(tmp_path / "got"), {**store[1], **change})

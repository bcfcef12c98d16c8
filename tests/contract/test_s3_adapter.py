"""The adapter to an external S3, against the S3 endpoint of a running server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from sagewright.adapters.s3 import S3Objects
from sagewright.stores.objects import Bucket, NoSuchKey
from sagewright.testing.objects import MIB, ObjectsConformance, get
from sagewright.testing.server import TestServer


class TestS3(ObjectsConformance):
    @pytest.fixture
    def store(self, server: TestServer) -> Iterator[S3Objects]:
        keys = server.client("s3")._request_signer._credentials
        url = server.url.replace("://", f"://{quote(keys.access_key, safe='')}:{quote(keys.secret_key, safe='')}@")
        store = S3Objects(url, region="us-east-1")
        _empty(store)
        yield store
        _empty(store)
        store.close()

    def test_objects_beyond_the_spool_travel_in_parts(self, box: S3Objects) -> None:
        writer = box.writer("box", "big")
        for _ in range(40):
            writer.write(b"x" * MIB)
        assert writer.commit().etag.endswith("-3")
        assert len(get(box, "big")) == 40 * MIB
        assert box.uploads("box") == []

    def test_reading_here_and_there(self, box: S3Objects) -> None:
        writer = box.writer("box", "k")
        writer.write(b"0123456789")
        writer.commit()
        _, file = box.open("box", "k")
        with file:
            assert file.read(3) == b"012"
            assert file.seek(-2, 2) == 8
            assert file.read() == b"89"
            assert file.read() == b""


def test_missing_things(server: TestServer) -> None:
    store = S3Objects("", region="us-east-1", client=server.client("s3"))
    name = f"b{uuid.uuid4().hex}"
    assert isinstance(store.create_bucket(name, "1", "us-east-1"), Bucket)
    with pytest.raises(NoSuchKey):
        store.local_path(name, "k")


def _empty(store: S3Objects) -> None:
    """The suite's bucket is always called ``box``."""
    if store.bucket("box") is not None:
        store.delete("box", [info.key for info in store.list("box").objects])
        store.delete_bucket("box")


def test_ranges_do_without_signed_urls_where_they_must(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Objects("", region="us-east-1", client=server.client("s3"))
    name = f"b{uuid.uuid4().hex}"
    store.create_bucket(name, "1", "us-east-1")
    writer = store.writer(name, "k")
    writer.write(b"0123456789")
    writer.commit()
    (info,) = store.list(name).objects
    asked = []
    signed = store.client.generate_presigned_url
    monkeypatch.setattr(store.client, "generate_presigned_url", lambda *a, **k: asked.append(k) or signed(*a, **k))
    assert [store.read(info, at, 3) for at in (0, 3, 9)] == [b"012", b"345", b"9"]
    assert len(asked) == 1, "one URL for all of an object's ranges"
    for broken in (server.url + "/nowhere/else", "http://127.0.0.1:9/refused"):
        other = S3Objects("", region="us-east-1", client=store.client)
        monkeypatch.setattr(store.client, "generate_presigned_url", lambda *a, url=broken, **k: url)
        assert other.read(info, 2, 2) == b"23"
    store.delete(name, ["k"])
    store.delete_bucket(name)

"""Conformance of an ``Objects`` adapter. Inherit, and provide the fixture ``store`` with an empty store::

    class TestMine(ObjectsConformance):
        @pytest.fixture
        def store(self, tmp_path):
            store = MyObjects(tmp_path)
            yield store
            store.close()
"""

from __future__ import annotations

import base64
import hashlib
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..stores.objects import (
    BadDigest,
    BucketExists,
    BucketNotEmpty,
    InvalidPart,
    NewObject,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    ObjectInfo,
    Objects,
    PartTooSmall,
    PreconditionFailed,
)

MIB = 1 << 20
KEYS = ["a", "a/b", "a/b/c", "..", "../up", ".", "x/./y", "x//y", "/lead", "end/", "sp ace", "plus+", "ü/é", "日本", "100%", "%2F",
        "q?x=1&y", "n" * 1000, "p/" + "q" * 300, "*", "'\"<>&", "\\", "~"]  # fmt: skip


def crc32(data: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def put(store: Objects, key: str, data: bytes, new: NewObject = NewObject(), bucket: str = "box") -> ObjectInfo:
    """Write a whole object."""
    writer = store.writer(bucket, key, new)
    writer.write(data)
    return writer.commit()


def get(store: Objects, key: str, bucket: str = "box") -> bytes:
    """Read a whole object."""
    info, file = store.open(bucket, key)
    with file:
        data = file.read()
    assert len(data) == info.size
    return data


class ObjectsConformance:
    """What every adapter keeps."""

    @pytest.fixture
    def box(self, store: Objects) -> Objects:
        """The store with an empty bucket ``box``."""
        store.create_bucket("box", "111122223333", "us-east-1")
        return store

    def test_buckets(self, store: Objects) -> None:
        assert store.bucket("box") is None
        made = store.create_bucket("box", "111122223333", "us-east-1")
        with pytest.raises(BucketExists):
            store.create_bucket("box", "111122223333", "us-east-1")
        found = store.bucket("box")
        assert found is not None
        assert (found.name, made.name) == ("box", "box")
        assert "box" in [b.name for b in store.buckets()]
        put(store, "k", b"1")
        with pytest.raises(BucketNotEmpty):
            store.delete_bucket("box")
        store.delete("box", ["k"])
        store.delete_bucket("box")
        assert store.bucket("box") is None
        for missing in (lambda: store.delete_bucket("box"), lambda: put(store, "k", b""), lambda: store.list("box"), lambda: store.head("box", "k")):
            with pytest.raises(NoSuchBucket):
                missing()

    def test_content_and_description(self, box: Objects) -> None:
        new = NewObject(
            "text/csv", {"colour": "blue", "note": "two words"}, {"Cache-Control": "no-cache", "Content-Encoding": "gzip"},
            {"crc32": crc32(b"hello")}, "crc32", tags={"team": "a b"},
        )  # fmt: skip
        written = put(box, "k", b"hello", new)
        info = box.head("box", "k")
        assert info.size == 5
        assert info.etag == written.etag == hashlib.md5(b"hello").hexdigest()
        assert (info.content_type, dict(info.metadata)) == ("text/csv", {"colour": "blue", "note": "two words"})
        assert info.headers["Cache-Control"] == "no-cache"
        assert info.headers["Content-Encoding"] == "gzip"
        assert info.checksums["crc32"] == crc32(b"hello")
        assert get(box, "k") == b"hello"
        assert put(box, "empty", b"").size == 0
        assert get(box, "empty") == b""

    def test_a_wrong_checksum_writes_nothing(self, box: Objects) -> None:
        put(box, "k", b"old")
        writer = box.writer("box", "k", NewObject(checksums={"crc32": crc32(b"other")}))
        writer.write(b"new")
        with pytest.raises(BadDigest):
            writer.commit()
        assert get(box, "k") == b"old"

    def test_a_range_is_of_the_version_that_was_listed(self, box: Objects) -> None:
        put(box, "k", b"0123456789")
        (info,) = box.list("box").objects
        assert box.read(info, 2, 3) == b"234"
        assert box.read(info, 8, 100) == b"89"
        assert box.read(info, 100, 1) == b""
        put(box, "k", b"9876543210")
        with pytest.raises(NoSuchKey):
            box.read(info, 0, 1)
        box.delete("box", ["k"])
        with pytest.raises(NoSuchKey):
            box.read(info, 0, 1)

    def test_a_local_tree_has_every_object_of_its_prefix(self, box: Objects) -> None:
        for key in ("a/x", "a/deep/y", "a/deep/", "b/z"):
            put(box, key, key.encode())
        for prefix, names in (("a/", {"x", "deep/y"}), ("", {"a/x", "a/deep/y", "b/z"})):
            tree = box.local_tree("box", prefix)
            if tree is not None:
                found = {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}
                assert names <= set(found)
                assert all(found[name].read_bytes() == (prefix + name).encode() for name in names)
        with pytest.raises(NoSuchBucket):
            box.local_tree("no-such-box", "")

    def test_any_legal_key_and_all_of_them_together(self, box: Objects) -> None:
        for key in KEYS:
            put(box, key, key.encode())
        for key in KEYS:
            assert get(box, key) == key.encode(), key
        assert [o.key for o in box.list("box").objects] == sorted(KEYS, key=str.encode)
        for key in reversed(KEYS):
            put(box, key, b"again " + key.encode())
        for key in KEYS:
            assert get(box, key) == b"again " + key.encode(), key
            box.delete("box", [key])
            with pytest.raises(NoSuchKey):
                box.head("box", key)
        assert box.list("box").objects == []

    def test_an_aborted_write_leaves_no_trace(self, box: Objects) -> None:
        writer = box.writer("box", "k")
        writer.write(b"half")
        writer.abort()
        with pytest.raises(NoSuchKey):
            box.open("box", "k")

    def test_conditional_writes(self, box: Objects) -> None:
        first = put(box, "k", b"1", NewObject(if_none_match=True))
        with pytest.raises(PreconditionFailed):
            put(box, "k", b"2", NewObject(if_none_match=True))
        with pytest.raises(PreconditionFailed):
            put(box, "k", b"2", NewObject(if_match="0" * 32))
        put(box, "k", b"2", NewObject(if_match=first.etag))
        assert get(box, "k") == b"2"

    def test_one_of_many_writers_wins_a_free_key(self, box: Objects) -> None:
        won: list[int] = []
        start = threading.Barrier(8)

        def write(number: int) -> None:
            start.wait()
            try:
                put(box, "race", str(number).encode(), NewObject(if_none_match=True))
                won.append(number)
            except PreconditionFailed:
                pass

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert get(box, "race") == str(won[0]).encode()

    def test_a_reader_keeps_its_version(self, box: Objects) -> None:
        put(box, "k", b"a" * 3 * MIB)
        info, file = box.open("box", "k")
        put(box, "k", b"b" * MIB)
        with file:
            assert file.read() == b"a" * info.size
        box.delete("box", ["k"])
        assert box.delete("box", ["k", "never"]) in ([], ["k", "never"])  # S3 itself does not say which existed

    def test_listing(self, box: Objects) -> None:
        keys = sorted(["a", "b/1", "b/2", "b/c/3", "c", "d/1", "é", "日", "b0"], key=str.encode)
        for key in keys:
            put(box, key, b"x")
        page = box.list("box", delimiter="/")
        assert ([o.key for o in page.objects], page.prefixes) == (["a", "b0", "c", "é", "日"], ["b/", "d/"])
        page = box.list("box", prefix="b/", delimiter="/")
        assert ([o.key for o in page.objects], page.prefixes) == (["b/1", "b/2"], ["b/c/"])
        assert [o.key for o in box.list("box", prefix="b").objects] == ["b/1", "b/2", "b/c/3", "b0"]
        assert [o.key for o in box.list("box", after="c").objects] == ["d/1", "é", "日"]
        for delimiter in ("", "/"):
            for limit in (1, 2, 3, 100):
                assert list(_walk(box, delimiter, limit)) == list(_walk(box, delimiter, 1000))

    def test_copy(self, box: Objects) -> None:
        put(box, "k", b"data", NewObject("text/plain", {"a": "1"}, checksum_algorithm="crc32"))
        box.copy("box", "k", "box", "same")
        info = box.head("box", "same")
        assert (info.content_type, dict(info.metadata), get(box, "same")) == ("text/plain", {"a": "1"}, b"data")
        box.copy("box", "k", "box", "other", NewObject("text/csv", {"b": "2"}))
        assert (box.head("box", "other").content_type, dict(box.head("box", "other").metadata)) == ("text/csv", {"b": "2"})
        with pytest.raises(NoSuchKey):
            box.copy("box", "missing", "box", "x")

    def test_put_file(self, box: Objects, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"f" * MIB)
        assert box.put_file("box", "kept", source).etag == hashlib.md5(b"f" * MIB).hexdigest()
        assert source.exists()
        box.put_file("box", "moved", source, move=True)
        assert not source.exists()
        assert get(box, "kept") == get(box, "moved") == b"f" * MIB

    def test_tags(self, box: Objects) -> None:
        put(box, "k", b"1")
        box.set_tags("box", "k", {"a": "1"})
        put(box, "k", b"2")
        with pytest.raises(NoSuchKey):
            box.set_tags("box", "missing", {})

    def test_multipart(self, box: Objects) -> None:
        upload = box.begin_upload("box", "big", NewObject("text/csv", {"m": "1"}))
        blocks = {1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB, 3: b"c" * 10}
        etags = {}
        for number in (3, 1, 2, 1):  # out of order, and one of them twice
            writer = box.part_writer(upload.id, number, length=len(blocks[number]))
            writer.write(blocks[number])
            etags[number] = writer.commit().etag
        assert [(p.number, p.size) for p in box.parts(upload.id)] == [(n, len(b)) for n, b in blocks.items()]
        assert upload.id in [u.id for u in box.uploads("box")]
        with pytest.raises(NoSuchKey):
            box.head("box", "big")
        with pytest.raises(InvalidPart):
            box.complete_upload(upload.id, [(1, etags[1]), (4, etags[2])])
        info = box.complete_upload(upload.id, sorted(etags.items()))
        md5s = b"".join(hashlib.md5(block).digest() for block in blocks.values())
        assert info.etag == hashlib.md5(md5s).hexdigest() + "-3"
        assert get(box, "big") == b"".join(blocks.values())
        assert (box.head("box", "big").content_type, dict(box.head("box", "big").metadata)) == ("text/csv", {"m": "1"})
        assert box.uploads("box") == []

    @pytest.mark.parametrize("sizes", [(5 * MIB, 5 * MIB, 7), (5 * MIB, 6 * MIB, 7), (6 * MIB, 5 * MIB, 6 * MIB), (3,)])
    def test_multipart_of_any_sizes(self, box: Objects, sizes: tuple[int, ...]) -> None:
        upload = box.begin_upload("box", "big", NewObject(checksum_algorithm="crc32", checksum_type="FULL_OBJECT"))
        blocks = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
        parts = []
        for number, block in enumerate(blocks, 1):
            writer = box.part_writer(upload.id, number, length=len(block))
            writer.write(block)
            parts.append((number, writer.commit().etag))
        info = box.complete_upload(upload.id, parts)
        assert get(box, "big") == b"".join(blocks)
        assert info.checksums["crc32"] == crc32(b"".join(blocks))

    def test_parts_that_are_too_small(self, box: Objects) -> None:
        upload = box.begin_upload("box", "big", NewObject())
        parts = []
        for number in (1, 2):
            writer = box.part_writer(upload.id, number)
            writer.write(b"small")
            parts.append((number, writer.commit().etag))
        with pytest.raises(PartTooSmall):
            box.complete_upload(upload.id, parts)

    def test_an_aborted_upload_is_gone(self, box: Objects) -> None:
        upload = box.begin_upload("box", "big", NewObject())
        writer = box.part_writer(upload.id, 1)
        writer.write(b"x")
        writer.commit()
        box.abort_upload(upload.id)
        with pytest.raises(NoSuchUpload):
            box.parts(upload.id)
        with pytest.raises(NoSuchUpload):
            box.complete_upload(upload.id, [(1, "x")])
        assert box.uploads("box") == []


def _walk(store: Objects, delimiter: str, limit: int) -> Iterator[str]:
    after: str | None = ""
    while after is not None:
        page = store.list("box", after=after, delimiter=delimiter, limit=limit)
        assert len(page.objects) + len(page.prefixes) <= limit
        yield from sorted([*(o.key for o in page.objects), *page.prefixes], key=str.encode)
        after = page.next

"""The directory adapter: the shared conformance, and what only files on a disk can get wrong."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.adapters.directory import DirectoryObjects
from sagewright.adapters.directory.digest import ALGORITHMS, Digest, combine, multipart_checksum
from sagewright.adapters.directory.listing import successor
from sagewright.adapters.directory.tree import Tree, escaped, natural
from sagewright.stores.objects import NewObject, NoSuchKey
from sagewright.testing.objects import KEYS, MIB, ObjectsConformance, get, put


class TestDirectory(ObjectsConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DirectoryObjects]:
        store = DirectoryObjects(tmp_path / "objects")
        yield store
        store.close()


class TestDurableDirectory(ObjectsConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DirectoryObjects]:
        store = DirectoryObjects(tmp_path / "objects", durable=True)
        yield store
        store.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[DirectoryObjects]:
    store = DirectoryObjects(tmp_path / "objects")
    store.create_bucket("box", "1", "us-east-1")
    yield store
    store.close()


def files(store: DirectoryObjects) -> set[str]:
    """Every file below the buckets."""
    return {str(p.relative_to(store.root)) for p in (store.root / "buckets").rglob("*") if p.is_file()}


def test_objects_are_plain_files_at_their_keys(box: DirectoryObjects) -> None:
    put(box, "data/2024/train.csv", b"1,2")
    assert (box.root / "buckets/box/data/2024/train.csv").read_bytes() == b"1,2"
    assert box.local_path("box", "data/2024/train.csv") == box.root / "buckets/box/data/2024/train.csv"
    box.delete("box", ["data/2024/train.csv"])
    assert list((box.root / "buckets/box").iterdir()) == []


def test_a_folder_that_somebody_writes_to_while_it_is_cleared_is_left_to_the_next_sweep(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    (tmp_path / "uploads/u").mkdir(parents=True)
    (tmp_path / "uploads/u/part").write_bytes(b"1")
    names = tree.names

    def late(location: str) -> list[str]:
        found = names(location)
        (tmp_path / "uploads/u/late").write_bytes(b"2")
        return found

    tree.names = late  # type: ignore[method-assign]
    tree.clear("uploads/u")
    assert [p.name for p in (tmp_path / "uploads/u").iterdir()] == ["late"]
    tree.names = names  # type: ignore[method-assign]
    tree.clear("uploads/u")
    assert not (tmp_path / "uploads/u").exists()
    tree.close()


def test_a_commit_that_fails_leaves_neither_object_nor_file(box: DirectoryObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key's file is in its place before the commit; when that fails, it must not stay there."""
    transaction = box.index.write

    @contextmanager
    def full() -> Iterator[sqlite3.Connection]:
        with transaction() as db:
            yield db
            raise sqlite3.OperationalError("database or disk is full")

    writer = box.writer("box", "a/key")
    writer.write(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(box.index, "write", full)
        with pytest.raises(sqlite3.OperationalError):
            writer.commit()
    assert files(box) == set()
    with pytest.raises(NoSuchKey):
        box.head("box", "a/key")
    put(box, "a/key", b"y")
    assert get(box, "a/key") == b"y"


def test_no_key_leaves_the_root(box: DirectoryObjects) -> None:
    outside = box.root.parent / "outside"
    for key in ("../../../outside", "/../../../outside", "x/../../../../outside", "..", "../..", "%2e%2e/%2e%2e/outside"):
        put(box, key, b"evil")
        assert get(box, key) == b"evil"
    assert not outside.exists()
    assert all(name.startswith("buckets/box/") for name in files(box))


@given(st.text(min_size=1, max_size=60).filter(lambda t: not any(0xD800 <= ord(c) < 0xE000 for c in t)))
def test_every_key_has_a_location_inside_its_bucket(key: str) -> None:
    for location in (natural("box", key), escaped("box", key)):
        if location is not None:
            parts = location.split("/")
            assert parts[:2] == ["buckets", "box"]
            assert all(p not in {"", ".", ".."} and "\0" not in p and len(p.encode()) <= 255 for p in parts)


def test_distinct_keys_have_distinct_escapes() -> None:
    assert len({escaped("box", key) for key in KEYS}) == len(KEYS)


def test_symbolic_links_are_never_followed(box: DirectoryObjects) -> None:
    secret = box.root.parent / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    (box.root / "buckets/box/link").symlink_to(secret)
    put(box, "link/file", b"mine")
    assert get(box, "link/file") == b"mine"
    assert (secret / "file").read_bytes() == b"secret"
    put(box, "plain", b"1")
    (box.root / "buckets/box/plain").unlink()
    (box.root / "buckets/box/plain").symlink_to(secret / "file")
    with pytest.raises(NoSuchKey):
        box.open("box", "plain")
    with pytest.raises(ValueError):
        Tree(box.root).open("buckets/../../secret/file")


def test_overwriting_makes_a_new_file(box: DirectoryObjects, tmp_path: Path) -> None:
    put(box, "k", b"old")
    path = box.local_path("box", "k")
    assert path is not None
    os.link(path, tmp_path / "staged")
    put(box, "k", b"new")
    assert (tmp_path / "staged").read_bytes() == b"old"


def test_a_tree_is_shown_only_if_it_is_whole(box: DirectoryObjects) -> None:
    put(box, "set/a", b"1")
    put(box, "other/x//y", b"cannot lie at its key")
    assert box.local_tree("box", "set/") == box.root / "buckets/box/set"
    assert box.local_tree("box", "other/") is None
    assert box.local_tree("box", "") is None, "the folder of escaped keys is not for showing"
    assert box.local_tree("box", "none/") is None
    put(box, "set/a/b", b"where another object is a file")
    assert box.local_tree("box", "set/") is None
    box.delete("box", ["set/a/b"])
    assert box.local_tree("box", "set/") is not None
    (box.root / "buckets/box/link").symlink_to("/etc")
    assert box.local_tree("box", "link/") is None


def test_zeros_take_no_space_and_copies_neither(box: DirectoryObjects, tmp_path: Path) -> None:
    content = b"head" + bytes(6 * MIB - 4) + b"middle" + bytes(3 * MIB)
    writer = box.writer("box", "k")
    for at in range(0, len(content), MIB + 5):
        writer.write(memoryview(content)[at:at + MIB + 5])
    assert writer.commit().size == len(content)
    box.copy("box", "k", "box", "copy")
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"x")
        file.truncate(len(content))
    box.put_file("box", "file", path)
    for key, expected in (("k", content), ("copy", content), ("file", b"x" + bytes(len(content) - 1))):
        assert get(box, key) == expected
        assert box.head("box", key).etag == hashlib.md5(expected).hexdigest()
        stored = box.local_path("box", key)
        assert stored is not None
        assert stored.stat().st_blocks * 512 < MIB


def test_a_shared_file_is_copied_not_taken(box: DirectoryObjects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"one")
    os.link(source, tmp_path / "other")
    box.put_file("box", "k", source, move=True)
    (tmp_path / "other").write_bytes(b"two")
    assert get(box, "k") == b"one"


def test_files_changed_or_removed_by_hand(box: DirectoryObjects) -> None:
    put(box, "changed", b"old")
    put(box, "removed", b"old")
    (box.root / "buckets/box/changed").write_bytes(b"longer than before")
    (box.root / "buckets/box/removed").unlink()
    assert get(box, "changed") == b"longer than before"
    assert box.head("box", "changed").size == 18
    with pytest.raises(NoSuchKey):
        box.open("box", "removed")
    with pytest.raises(NoSuchKey):
        box.head("box", "removed")


def test_equal_parts_are_completed_without_copying(box: DirectoryObjects) -> None:
    upload = box.begin_upload("box", "big", NewObject())
    parts = []
    for number, size in ((1, 5 * MIB), (2, 5 * MIB), (3, 9)):
        writer = box.part_writer(upload.id, number, length=size)
        writer.write(b"x" * size)
        parts.append((number, writer.commit().etag))
    shared = (box.root / "uploads" / upload.id / "content").stat().st_ino
    box.complete_upload(upload.id, parts)
    assert (box.root / "buckets/box/big").stat().st_ino == shared
    assert list((box.root / "uploads").iterdir()) == []


def test_what_a_dead_process_left_is_swept_and_what_a_live_one_writes_is_not(box: DirectoryObjects) -> None:
    writer = box.writer("box", "k")
    writer.write(b"in the making")
    dead = box.root / "tmp" / "dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "0").write_bytes(b"orphan")
    second = DirectoryObjects(box.root)
    assert not dead.exists()
    writer.commit()
    assert get(second, "k") == b"in the making"
    second.close()


@given(st.text(max_size=4), st.text(max_size=8))
def test_successor_is_above_everything_with_the_prefix(prefix: str, rest: str) -> None:
    above = successor(prefix)
    if above is not None:
        assert (prefix + rest).encode("utf-8", "surrogatepass") < above.encode("utf-8", "surrogatepass")


def test_a_page_costs_the_page_not_the_bucket(box: DirectoryObjects) -> None:
    rows = ((f"p{n // 1000:04}/{n:07}",) for n in range(100_000))
    with box.index.write() as db:
        db.executemany(
            "INSERT INTO objects SELECT 'box', ?, 1, 'e', 0, 't', '{}', 0, 0, NULL, NULL", rows
        )  # fmt: skip
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    box.index.db.set_progress_handler(count, 100)
    page = box.list("box", delimiter="/", limit=50)
    box.index.db.set_progress_handler(None, 0)
    assert len(page.prefixes) == 50
    assert steps < 1000, "hundreds of instructions a prefix, not a scan of 100,000 keys"


@pytest.mark.parametrize("name", ["crc32", "crc32c", "crc64nvme"])
@given(blocks=st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_crcs_combine(name: str, blocks: list[bytes]) -> None:
    def of(data: bytes) -> str:
        digest = Digest([name])
        digest.update(data)
        return digest.checksums()[name]

    whole = multipart_checksum(name, "FULL_OBJECT", [(len(b), {name: of(b)}) for b in blocks])
    assert whole == of(b"".join(blocks))


def test_known_checksums() -> None:
    digest = Digest(ALGORITHMS)
    digest.update(b"123456789")
    found = {name: base64.b64decode(text).hex() for name, text in digest.checksums().items()}
    assert found["crc32"] == "cbf43926"
    assert found["crc32c"] == "e3069283"
    assert found["crc64nvme"] == "ae8b14860a799888"
    assert combine("crc32", zlib.crc32(b"a"), zlib.crc32(b"bc"), 2) == zlib.crc32(b"abc")


WRITER = """
import random, sys
from pathlib import Path
from sagewright.adapters.directory import DirectoryObjects
from sagewright.stores.objects import NewObject
store, dice = DirectoryObjects(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
print("go", flush=True)
while True:
    key, size, fill = dice.choice(["a", "a/b", "c", "../d"]), dice.choice([10, 100_000]), bytes([dice.randrange(1, 256)])
    what = dice.random()
    if what < 0.5:
        writer = store.writer("box", key)
        for _ in range(10):
            writer.write(fill * (size // 10))
        writer.commit()
    elif what < 0.7:
        store.delete("box", [key])
    else:
        upload, parts = store.begin_upload("box", key, NewObject()), []
        for number, length in ((1, 5 << 20), (2, 1000)):
            part = store.part_writer(upload.id, number, length=length if dice.random() < 0.5 else None)
            part.write(fill * length)
            parts.append((number, part.commit().etag))
        store.complete_upload(upload.id, parts)
"""


def test_killed_at_any_instant_the_old_or_the_new_object_is_whole(box: DirectoryObjects) -> None:
    """Two writers at once, SIGKILL after a random moment; another process meanwhile reads and must never see a torn object."""
    dice = random.Random(7)
    for turn in range(12):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(box.root), str(turn * 2 + n)], stdout=subprocess.PIPE) for n in (0, 1)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        end = time.monotonic() + dice.uniform(0.01, 0.25)
        while time.monotonic() < end:
            _check_whole(box)
        for writer in writers:
            writer.kill()
            assert writer.wait() == -9, "the writer had failed before it was killed"
            assert writer.stdout is not None
            writer.stdout.close()
        after = DirectoryObjects(box.root)
        _check_whole(after)
        listed = after.list("box").objects
        assert len(files(after)) == len(listed), "no file without its object"
        kept = {p.name for p in (after.root / "tmp").iterdir()}
        assert kept == {box.workspace.id, after.workspace.id}
        after.close()
    for upload in box.uploads("box"):
        box.abort_upload(upload.id)
    assert list((box.root / "uploads").iterdir()) == []


def _check_whole(store: DirectoryObjects) -> None:
    for info in store.list("box").objects:
        try:
            found, file = store.open("box", info.key)
        except NoSuchKey:
            continue
        with file:
            data = file.read()
        assert len(data) == found.size
        assert len(set(data)) == 1, "bytes of two versions in one object"
        if not found.parts:
            digest = Digest()
            digest.update(data)
            assert digest.etag == found.etag

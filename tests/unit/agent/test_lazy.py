"""What is fetched for which reads, and what the tree of a lazy channel looks like."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from sagewright.agent import fastfile
from sagewright.agent.fuse import Tree
from sagewright.agent.lazy import AHEAD, GRAIN, WHOLE, LazyFile, Reader
from sagewright.agent.selection import Found, StagingError
from sagewright.stores.compute import Input
from sagewright.stores.objects import NoSuchKey, ObjectInfo, Objects
from sagewright.testing.compute import DistantObjects, FolderObjects

MIB = 2**20


class Bytes:
    """A store of one object per size, which notes what is read and can be made to fail."""

    def __init__(self, size: int) -> None:
        self.content = bytes(random.Random(size).randbytes(65_521) * (size // 65_521 + 1))[:size]
        self.info = ObjectInfo("b", "k", size, "v1", 0.0)
        self.reads: list[tuple[int, int]] = []
        self.broken = False
        self.guard = threading.Lock()

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        if self.broken:
            raise NoSuchKey(info.key)
        with self.guard:
            self.reads.append((start, size))
        return self.content[start:start + size]

    @property
    def fetched(self) -> int:
        return sum(size for _, size in self.reads)


Make = Callable[..., tuple[Bytes, Callable[[int, int], bytes | None]]]


@pytest.fixture
def made() -> Iterator[Make]:
    readers: list[Reader] = []
    lost: list[str] = []

    def make(size: int, **more: int) -> tuple[Bytes, Callable[[int, int], bytes | None]]:
        store = Bytes(size)
        reader = Reader(cast(Objects, store), lambda uri, error: lost.append(uri), **more)
        readers.append(reader)
        file = LazyFile(store.info)

        def read(offset: int, length: int) -> bytes | None:
            answers: list[bytes | None] = []
            there = threading.Event()

            def answer(pieces: list[memoryview] | None) -> None:
                answers.append(None if pieces is None else b"".join(pieces))
                there.set()

            reader.read(file, offset, length, answer)
            assert there.wait(10)
            return answers[0]

        return store, read

    yield make
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("size", [0, 1, GRAIN - 1, GRAIN, GRAIN + 1, WHOLE, WHOLE + 1, 5 * MIB + 17])
def test_any_range_is_what_it_should_be(made: Make, size: int) -> None:
    store, read = made(size)
    chance = random.Random(1)
    for _ in range(60):
        offset, length = chance.randrange(size + 2), chance.randrange(1, 300_000)
        assert read(offset, length) == store.content[offset:offset + length]


def test_a_small_object_is_one_request(made: Make) -> None:
    store, read = made(WHOLE)
    for offset in range(0, WHOLE, 4096):
        read(offset, 4096)
    assert store.reads == [(0, WHOLE)]


def test_reading_in_order_fetches_everything_once_in_growing_pieces(made: Make) -> None:
    store, read = made(64 * MIB)
    for offset in range(0, 64 * MIB, 128 * 1024):
        assert read(offset, 128 * 1024) == store.content[offset:offset + 128 * 1024]
    assert store.fetched == 64 * MIB
    assert len({start for start, _ in store.reads}) == len(store.reads)
    assert max(size for _, size in store.reads) >= 2 * MIB
    assert len(store.reads) < 64


def test_looking_here_and_there_fetches_little(made: Make) -> None:
    store, read = made(64 * MIB)
    chance = random.Random(2)
    for _ in range(100):
        read(chance.randrange(64 * MIB), 4096)
    assert store.fetched <= 100 * 2 * GRAIN


def test_never_more_ahead_than_was_read_in_a_row(made: Make) -> None:
    store, read = made(64 * MIB)
    for offset in range(50 * MIB, 51 * MIB, 128 * 1024):
        read(offset, 128 * 1024)
    assert store.fetched <= 2 * MIB + 2 * GRAIN


def test_two_readers_of_one_object_are_told_apart(made: Make) -> None:
    store, read = made(64 * MIB)
    for step in range(100):
        for base in (0, 32 * MIB):
            read(base + step * 128 * 1024, 128 * 1024)
    assert store.fetched <= 2 * (100 * 128 * 1024 + AHEAD) + 4 * GRAIN
    assert len(store.reads) < 60


def test_memory_is_bounded_and_what_was_let_go_is_fetched_again(made: Make) -> None:
    store, read = made(64 * MIB, budget=4 * MIB)
    for offset in range(0, 64 * MIB, MIB):
        read(offset, MIB)
    before = store.fetched
    assert read(0, 4096) == store.content[:4096]
    assert store.fetched > before


def test_a_version_that_is_gone_is_an_error_until_it_can_be_read_again(made: Make) -> None:
    store, read = made(4 * MIB)
    store.broken = True
    assert read(0, 10) is None
    store.broken = False
    assert read(0, 10) == store.content[:10]


# trees


def found(*keys: str) -> list[Found]:
    return [Found("b", key, key, ObjectInfo("b", key, 1, "", 0.0)) for key in keys]


def test_a_tree_has_the_folders_that_keys_imply() -> None:
    tree = Tree(found("a", "b/c", "b/d/e", "b//f"))
    root = tree.root.children or {}
    assert set(root) == {b"a", b"b"}
    inner = root[b"b"].children or {}
    assert set(inner) == {b"c", b"d", b"f"}
    assert [node.number for node in tree.nodes] == list(range(len(tree.nodes)))


@pytest.mark.parametrize("keys", [("a", "a/b"), ("a/b", "a"), ("a/../b",), ("x" * 256,), ("a/b", "a//b")])
def test_keys_that_cannot_stand_together(keys: tuple[str, ...]) -> None:
    with pytest.raises(StagingError):
        Tree(found(*keys))


# how a channel is shown


@pytest.fixture
def near(tmp_path: Path) -> FolderObjects:
    store = FolderObjects(tmp_path / "objects")
    for key in ("set/a", "set/b/c", "setting"):
        store.put("b", key, b"1")
    return store


def view(store: FolderObjects, uri: str = "s3://b/set", whole: bool = True, fuse: bool = True, shards: int = 1) -> fastfile.View:
    item = Input("/opt/ml/input/data/x", uri, mode="FastFile", shards=shards)
    return fastfile.view(cast(Objects, store), item, whole=whole, fuse=fuse)


def test_the_stores_own_folder_is_shown_where_it_has_one(near: FolderObjects) -> None:
    assert view(near).folder == near.folder / "b/set/"
    assert view(near, whole=False) == fastfile.View(), "something else has to be put inside"
    assert view(near, shards=2) == fastfile.View(), "a share of it: links"
    assert view(near, "s3://b/setting") == fastfile.View()


def test_showing_a_folder_does_not_list_it(near: FolderObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    plain = near.list
    monkeypatch.setattr(near, "list", lambda *a, **k: limits.append(k.get("limit", 1000)) or plain(*a, **k))
    view(near)
    assert limits == [1]


def test_a_store_elsewhere_is_served_if_the_kernel_lets_us(tmp_path: Path) -> None:
    store = DistantObjects(tmp_path / "objects")
    store.put("b", "set/a", b"1")
    tree = view(store).tree
    assert tree is not None
    assert list(tree.root.children or {}) == [b"a"]
    assert view(store, fuse=False) == fastfile.View()
    assert view(store, "s3://b/set/a").tree is not None
    assert store.reads() == []

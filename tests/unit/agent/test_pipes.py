"""What comes out of a channel's pipes, epoch by epoch, and what happens when reader or data misbehave."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from sagewright.agent.pipes import Pipe
from sagewright.agent.selection import StagingError
from sagewright.stores.compute import Input
from sagewright.stores.objects import ObjectInfo
from sagewright.testing.compute import FolderObjects
from sagewright_container.recordio import frames

Open = Callable[..., Pipe]


class Counting(FolderObjects):
    """Notes what is opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opened: list[str] = []

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        self.opened.append(key)
        return super().open(bucket, key)


@pytest.fixture
def objects(tmp_path: Path) -> Counting:
    store = Counting(tmp_path / "objects")
    for key in ("d/a", "d/b", "d/c"):
        store.put("b", key, key.encode() * 3)
    return store


@pytest.fixture
def opened(objects: Counting, tmp_path: Path) -> Iterator[Open]:
    made: list[Pipe] = []

    def make(uri: str = "s3://b/d/", broken: Callable[[], None] = lambda: None, **more: Any) -> Pipe:
        item = Input("/opt/ml/input/data/train", uri, label="train", mode="Pipe", **more)
        pipe = Pipe(objects, item, tmp_path, None, broken)  # type: ignore[arg-type]
        pipe.start()
        made.append(pipe)
        return pipe

    yield make
    for pipe in made:
        pipe.close()
        assert not pipe.is_alive()


def read(tmp_path: Path, epoch: int) -> bytes:
    with (tmp_path / f"train_{epoch}").open("rb") as file:
        return file.read()


def names(data: bytes) -> list[str]:
    return [data[at:at + 3].decode() for at in range(0, len(data), 9)]


def test_epochs_follow_one_another_each_ended_by_eof(opened: Open, tmp_path: Path) -> None:
    opened()
    assert stat.S_ISFIFO((tmp_path / "train_0").stat().st_mode)
    assert not (tmp_path / "train_1").exists(), "made when it can be wanted, not before"
    for epoch in range(3):
        assert read(tmp_path, epoch) == b"d/ad/ad/ad/bd/bd/bd/cd/cd/c"
        assert (tmp_path / f"train_{epoch + 1}").exists()


def test_the_next_pipe_is_there_while_the_first_is_read(opened: Open, tmp_path: Path) -> None:
    opened()
    with (tmp_path / "train_0").open("rb") as file:
        assert file.read(3) == b"d/a"
        assert (tmp_path / "train_1").exists()
        assert not (tmp_path / "train_2").exists()


def test_a_pipe_that_was_read_is_gone(opened: Open, tmp_path: Path) -> None:
    opened()
    read(tmp_path, 0)
    read(tmp_path, 1)
    assert not (tmp_path / "train_0").exists()


def test_a_reader_that_leaves_early_ends_the_epoch_and_the_rest_is_never_fetched(objects: Counting, opened: Open, tmp_path: Path) -> None:
    for number in range(20):
        objects.put("big", f"part-{number:02d}", bytes(2**20))
    opened("s3://big/")
    with (tmp_path / "train_0").open("rb") as file:
        file.read(10)
    assert len(read(tmp_path, 1)) == 20 * 2**20, "the next epoch is whole"
    first = objects.opened[:objects.opened.index("part-00", 1)]
    assert len(first) < 5, "no more than what the pipe held"


def test_nothing_is_opened_before_a_reader_comes(objects: Counting, opened: Open, tmp_path: Path) -> None:
    opened()
    assert objects.opened == []
    read(tmp_path, 0)
    assert objects.opened == ["d/a", "d/b", "d/c"]


def test_the_seed_shuffles_each_epoch_anew_and_always_alike(opened: Open, objects: Counting, tmp_path: Path) -> None:
    for number in range(12):
        objects.put("many", f"{number:03d}", f"{number:03d}".encode() * 3)
    opened("s3://many/", seed=7)
    orders = [names(read(tmp_path, epoch)) for epoch in range(3)]
    assert all(sorted(order) == [f"{n:03d}" for n in range(12)] for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again = Pipe(objects, Input("/opt/ml/input/data/again", "s3://many/", label="again", mode="Pipe", seed=7), tmp_path, None, lambda: None)  # type: ignore[arg-type]
    again.start()
    with (tmp_path / "again_0").open("rb") as file:
        assert names(file.read()) == orders[0]
    again.close()


def test_shards_are_cut_from_each_epochs_order(opened: Open, objects: Counting, tmp_path: Path) -> None:
    for number in range(10):
        objects.put("many", f"{number:03d}", f"{number:03d}".encode() * 3)
    seen = []
    for shard in range(2):
        place = tmp_path / str(shard)
        place.mkdir()
        item = Input("/opt/ml/input/data/train", "s3://many/", label="train", mode="Pipe", seed=3, shard=shard, shards=2)
        pipe = Pipe(objects, item, place, None, lambda: None)  # type: ignore[arg-type]
        pipe.start()
        seen.append([names(read(place, epoch)) for epoch in range(4)])
        pipe.close()
    for epoch in range(4):
        assert sorted(seen[0][epoch] + seen[1][epoch]) == [f"{n:03d}" for n in range(10)], "every object on one host"
    assert len({frozenset(order) for order in seen[0]}) > 1, "objects move between the hosts"


def test_gzip_is_undone_and_recordio_wraps_each_object(opened: Open, objects: Counting, tmp_path: Path) -> None:
    objects.put("z", "1.gz", gzip.compress(b"first") + gzip.compress(b" more"))
    objects.put("z", "2.gz", gzip.compress(b"second"))
    plain = opened("s3://z/", compression="Gzip")
    assert read(tmp_path, 0) == b"first moresecond"
    plain.close()
    (tmp_path / "train_1").unlink()
    opened("s3://z/", compression="Gzip", wrapper="RecordIO")
    assert list(frames(read(tmp_path, 0))) == [b"first more", b"second"]


def test_recordio_without_compression(opened: Open, tmp_path: Path) -> None:
    opened(wrapper="RecordIO")
    assert list(frames(read(tmp_path, 0))) == [b"d/ad/ad/a", b"d/bd/bd/b", b"d/cd/cd/c"]


@pytest.fixture
def augmented(objects: Counting) -> str:
    rows = [{"image-ref": "s3://b/d/b", "cat": 1, "note": "two\nlines"}, {"note": "x", "image-ref": "s3://b/d/a", "cat": 0.5}]
    objects.put("b", "m.jsonl", "\n".join(map(json.dumps, rows)).encode() + b"\n\n")
    return "s3://b/m.jsonl"


def test_an_augmented_manifest_gives_its_attributes_in_order(opened: Open, augmented: str, tmp_path: Path) -> None:
    opened(augmented, type="AugmentedManifestFile", attributes=["image-ref", "cat", "note"], wrapper="RecordIO")
    assert list(frames(read(tmp_path, 0))) == [b"d/bd/bd/b", b"1", b"two\nlines", b"d/ad/ad/a", b"0.5", b"x"]


def test_an_augmented_manifest_without_wrapping_is_one_stream(opened: Open, augmented: str, tmp_path: Path) -> None:
    opened(augmented, type="AugmentedManifestFile", attributes=["cat", "image-ref"])
    assert read(tmp_path, 0) == b"1d/bd/bd/b0.5d/ad/ad/a"


def test_a_manifest_keeps_its_order(opened: Open, objects: Counting, tmp_path: Path) -> None:
    objects.put("b", "m.json", json.dumps([{"prefix": "s3://b/d/"}, "c", "a"]).encode())
    opened("s3://b/m.json", type="ManifestFile")
    assert read(tmp_path, 0) == b"d/cd/cd/cd/ad/ad/a"


@pytest.mark.parametrize(("content", "message"), [
    (b"not json\n", "not a JSON object"),
    (b'{"cat": 1}\n', "without the attribute image-ref"),
    (b'{"image-ref": "file.jpg"}\n', "not an S3 URI"),
    (b"\n", "is empty"),
])
def test_a_bad_augmented_manifest_is_told_before_the_start(objects: Counting, opened: Open, content: bytes, message: str) -> None:
    objects.put("b", "m.jsonl", content)
    with pytest.raises(StagingError, match=message) as caught:
        opened("s3://b/m.jsonl", type="AugmentedManifestFile", attributes=["image-ref"])
    assert str(caught.value).startswith("ClientError: Data download failed:")


@pytest.mark.parametrize(("uri", "more", "message"), [
    ("s3://b/none/", {}, "No objects found under s3://b/none/"),
    ("s3://none/x", {}, "The bucket of s3://none/x does not exist"),
    ("s3://b/none.json", {"type": "ManifestFile"}, "s3://b/none.json does not exist"),
])
def test_nothing_there(opened: Open, uri: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(StagingError, match=message):
        opened(uri, **more)


def test_bad_data_breaks_the_task_and_never_looks_like_the_end(objects: Counting, opened: Open, tmp_path: Path) -> None:
    objects.put("z", "1.gz", gzip.compress(b"good"))
    objects.put("z", "2.gz", b"no gzip at all")
    broken = threading.Event()
    pipe = opened("s3://z/", broken.set, compression="Gzip")
    fd = os.open(tmp_path / "train_0", os.O_RDONLY)
    try:
        assert os.read(fd, 100) == b"good"
        assert broken.wait(10)
        os.set_blocking(fd, False)
        with pytest.raises(BlockingIOError):
            os.read(fd, 100)  # held open: no end of file
    finally:
        os.close(fd)
    pipe.close()
    assert pipe.error.startswith("ClientError: Data download failed:")
    assert "not Gzip" in pipe.error


def test_an_object_that_vanished_breaks_the_task(objects: Counting, opened: Open, tmp_path: Path) -> None:
    broken = threading.Event()
    pipe = opened("s3://b/d/", broken.set)
    (objects.folder / "b/d/b").unlink()
    fd = os.open(tmp_path / "train_0", os.O_RDONLY)
    assert broken.wait(10)
    os.close(fd)
    pipe.close()
    assert "does not exist" in pipe.error


def test_a_pipe_that_was_replaced_by_a_link_is_not_followed(opened: Open, tmp_path: Path) -> None:
    """The task owns the folder: what it puts there in the place of a pipe must never be written by the agent."""
    opened()
    secret = tmp_path / "secret"
    secret.write_bytes(b"")
    with (tmp_path / "train_0").open("rb") as file:
        file.read(1)
        (tmp_path / "train_1").rename(tmp_path / "aside")
        (tmp_path / "train_1").symlink_to(secret)
    with (tmp_path / "aside").open("rb") as file:
        assert file.read().startswith(b"d/a"), "the pipe itself is served wherever it is now"
    assert secret.read_bytes() == b""


def test_closing_does_not_wait_for_a_reader(opened: Open) -> None:
    opened().close()

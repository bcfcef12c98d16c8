"""Which objects an input means, and where they land."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagewright.agent.selection import StagingError, relative
from sagewright.agent.staging import stage
from sagewright.stores.compute import Input
from sagewright.testing.compute import FolderObjects


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    store = FolderObjects(tmp_path / "objects")
    for key in ("p/train/x.csv", "p/train/deep/y.csv", "p/train-old/z.csv", "p/trainer", "p/alone.csv"):
        store.put("b", key, key.encode())
    return store


def staged(objects: Any, tmp_path: Path, uri: str, copy: bool = False, **more: Any) -> list[str]:
    target = tmp_path / "in"
    stage(objects, Input("/opt/ml/input/data/train", uri, **more), target, copy, lambda: None)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


@pytest.mark.parametrize(("uri", "names"), [
    ("s3://b/p/train/", ["deep/y.csv", "x.csv"]),
    ("s3://b/p/alone.csv", ["alone.csv"]),
    ("s3://b/p/train", ["deep/y.csv", "train-old/z.csv", "trainer", "x.csv"]),
    ("s3://b/p/tr", ["train-old/z.csv", "train/deep/y.csv", "train/x.csv", "trainer"]),
    ("s3://b/", ["p/alone.csv", "p/train-old/z.csv", "p/train/deep/y.csv", "p/train/x.csv", "p/trainer"]),
    ("s3://b", ["p/alone.csv", "p/train-old/z.csv", "p/train/deep/y.csv", "p/train/x.csv", "p/trainer"]),
])
def test_a_prefix_is_a_string_prefix_and_the_rest_is_the_path(objects: FolderObjects, tmp_path: Path, uri: str, names: list[str]) -> None:
    assert staged(objects, tmp_path, uri) == names


def test_relative_of_odd_keys() -> None:
    assert relative("a/", "a/b") == "b"
    assert relative("", "a/b") == "a/b"
    assert relative("a/b.csv", "a/b.csv") == "b.csv"


def test_shards_split_by_object_in_key_order(objects: FolderObjects, tmp_path: Path) -> None:
    for number in range(7):
        objects.put("s", f"part-{number}", b"")
    shares = [staged(objects, tmp_path / str(shard), "s3://s/", shard=shard, shards=3) for shard in range(3)]
    assert shares == [["part-0", "part-3", "part-6"], ["part-1", "part-4"], ["part-2", "part-5"]]


def test_zero_copy_shares_the_file_and_a_writable_input_does_not(objects: FolderObjects, tmp_path: Path) -> None:
    stored = objects.put("b", "one/file", b"content")
    staged(objects, tmp_path / "a", "s3://b/one/")
    assert (tmp_path / "a/in/file").stat().st_ino == stored.stat().st_ino
    staged(objects, tmp_path / "b", "s3://b/one/", copy=True)
    (tmp_path / "b/in/file").write_text("changed")
    assert stored.read_bytes() == b"content"


def test_ten_gigabytes_are_staged_at_once(objects: FolderObjects, tmp_path: Path) -> None:
    import time

    for number in range(10):
        with objects.put("big", f"part-{number}", b"").open("r+b") as file:
            os.truncate(file.fileno(), 2**30)
    before = time.monotonic()
    assert len(staged(objects, tmp_path, "s3://big/")) == 10
    assert time.monotonic() - before < 1.0


def test_manifest(objects: FolderObjects, tmp_path: Path) -> None:
    objects.put("b", "list.manifest", json.dumps([{"prefix": "s3://b/p/"}, "train/x.csv", "alone.csv"]).encode())
    assert staged(objects, tmp_path, "s3://b/list.manifest", type="ManifestFile") == ["alone.csv", "train/x.csv"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '["a"]', '[{"prefix": 1}]', '[{"prefix": "s3://b/p/"}, "../../x"]'])
def test_a_bad_manifest_says_so(objects: FolderObjects, tmp_path: Path, text: str) -> None:
    objects.put("b", "bad.manifest", text.encode())
    objects.put("b", "x", b"")
    with pytest.raises(StagingError, match=r"^ClientError: Data download failed:"):
        staged(objects, tmp_path, "s3://b/bad.manifest", type="ManifestFile")


def test_gzip_is_taken_off(objects: FolderObjects, tmp_path: Path) -> None:
    objects.put("b", "zipped/a.csv.gz", gzip.compress(b"1,2"))
    assert staged(objects, tmp_path, "s3://b/zipped/", compression="Gzip") == ["a.csv"]
    assert (tmp_path / "in/a.csv").read_bytes() == b"1,2"


@pytest.mark.parametrize("body", [b"1,2", gzip.compress(b"1,2" * 999)[:-20], gzip.compress(b"")[:10] + b"\xff" * 20])
def test_what_is_no_gzip_data_is_the_callers_fault(objects: FolderObjects, tmp_path: Path, body: bytes) -> None:
    objects.put("b", "broken/a.csv.gz", body)
    with pytest.raises(StagingError, match="ClientError: Data download failed:Unable to download object s3://b/broken/"):
        staged(objects, tmp_path, "s3://b/broken/", compression="Gzip")


def test_unpack(objects: FolderObjects, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("xgboost-model")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"model"))
    objects.put("b", "m/model.tar.gz", out.getvalue())
    assert staged(objects, tmp_path, "s3://b/m/model.tar.gz", type="S3Object", unpack=True) == ["xgboost-model"]


@pytest.mark.parametrize(("uri", "words"), [
    ("s3://b/nothing/", "No objects found under s3://b/nothing/"),
    ("s3://absent/x", "bucket of s3://absent/x does not exist"),
    ("http://x", "not an s3:// URI"),
])
def test_what_is_missing_is_named(objects: FolderObjects, tmp_path: Path, uri: str, words: str) -> None:
    with pytest.raises(StagingError) as caught:
        staged(objects, tmp_path, uri)
    assert str(caught.value).startswith("ClientError: Data download failed:")
    assert words in str(caught.value)


def test_an_optional_input_may_be_empty(objects: FolderObjects, tmp_path: Path) -> None:
    assert staged(objects, tmp_path, "s3://b/nothing/", required=False) == []

"""Archives that hostile code made, and folders that hostile code filled."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from sagewright.agent import archive
from sagewright.agent.archive import BadArchive, pack, read_text, unpack, walk


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("bad", [
    member("../outside"), member("/absolute"), member("a/../../b"), member("dev", tarfile.CHRTYPE), member("pipe", tarfile.FIFOTYPE),
    member("link", tarfile.SYMTYPE, "/etc/passwd"), member("link", tarfile.SYMTYPE, "../../x"), member("hard", tarfile.LNKTYPE, "/etc/passwd"),
    member("hard", tarfile.LNKTYPE, "../x"),
])
def test_members_that_would_land_or_point_outside(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    target = tmp_path / "in"
    target.mkdir()
    with pytest.raises(BadArchive):
        unpack(tar((member("fine"), b"ok"), (bad, b"")), 1000, target)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert sorted(path.name for path in target.iterdir()) == ["fine"]


def test_a_file_behind_a_link_of_the_same_archive(tmp_path: Path) -> None:
    target, outside = tmp_path / "in", tmp_path / "out"
    target.mkdir()
    outside.mkdir()
    with pytest.raises(BadArchive):
        unpack(tar((member("door", tarfile.SYMTYPE, str(outside)), b""), (member("door/x"), b"x")), 1000, target)
    assert list(outside.iterdir()) == []


def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BOMB_FLOOR", 2**20)
    data = tar((member("zeros"), bytes(8 * 2**20)))
    with pytest.raises(BadArchive, match="more than"):
        unpack(data, len(data.getvalue()), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b\x08 broken"])
def test_not_an_archive(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadArchive, match="not a readable"):
        unpack(io.BytesIO(content), len(content), tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_compression(tmp_path: Path, mode: str) -> None:
    unpack(tar((member("model/x.bin"), b"weights"), mode=mode), 1000, tmp_path)
    assert (tmp_path / "model/x.bin").read_bytes() == b"weights"


def test_pack_and_unpack_give_the_folder_back(tmp_path: Path) -> None:
    source = tmp_path / "ml"
    (source / "model" / "deep").mkdir(parents=True)
    (source / "model" / "deep" / "w").write_bytes(b"x" * 3_000_000)
    (source / "model" / "run.sh").write_text("#!/bin/sh")
    (source / "model" / "run.sh").chmod(0o755)
    (source / "model" / "inside").symlink_to("deep/w")
    (source / "model" / "outside").symlink_to("../../secret")
    (source / "model" / "absolute").symlink_to("/etc/passwd")
    os.mkfifo(source / "model" / "pipe")
    out = io.BytesIO()
    assert pack(source, source / "model", out.write) == 4
    target = tmp_path / "back"
    target.mkdir()
    out.seek(0)
    unpack(out, len(out.getvalue()), target)
    assert sorted(str(p.relative_to(target)) for p in target.rglob("*")) == ["deep", "deep/w", "inside", "run.sh"]
    assert (target / "run.sh").stat().st_mode & 0o111
    assert (target / "inside").read_bytes() == b"x" * 3_000_000


def test_nothing_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "failure").write_text("SECRET")
    root = tmp_path / "ml"
    root.mkdir()
    (root / "output").symlink_to(tmp_path / "secret")
    (root / "failure").symlink_to(tmp_path / "secret" / "failure")
    assert read_text(root, root / "output" / "failure", 100) is None
    assert read_text(root, root / "failure", 100) is None
    assert list(walk(root, root / "output")) == []
    assert [entry.path for entry in walk(root, root)] == ["failure", "output"]
    assert all(entry.open() is None for entry in walk(root, root))


def test_read_text_is_cut(tmp_path: Path) -> None:
    (tmp_path / "failure").write_text("x" * 5000)
    assert read_text(tmp_path, tmp_path / "failure", 10) == b"x" * 10
    assert read_text(tmp_path, tmp_path / "absent" / "failure", 10) is None

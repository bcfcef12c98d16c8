"""Archives made to break out, to overwrite, or to fill the machine; unpacked by the agent, which may be root."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import resource
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.agent import archive
from sagewright.agent.archive import BadArchive, unpack

SECRET = b"root's own"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, len(data), mode
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as made:  # type: ignore[call-overload]
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, to)


def hard(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.LNKTYPE, to)


def long_way_out(deep: int) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Links whose resolution is longer than a path may be, so that what checks resolved names gives up half way."""
    component, members, path = "d" * 247, [], ""
    for letter in "abcdefghijklmnop"[:deep]:
        members.append(member(f"{path}{component}", tarfile.DIRTYPE))
        members.append(link(f"{path}{letter}", component))
        path = f"{path}{component}/"
    short = "/".join("abcdefghijklmnop"[:deep])
    end = f"{short}/{'l' * 254}"
    return [*members, link(end, "../" * deep), link("way", f"{end}/../../outside"), member("way/evil", data=b"evil")]


HOSTILE: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "up": [member("../evil", data=b"evil")],
    "up inside": [member("a/../../evil", data=b"evil")],
    "absolute": [member("/tmp/sagewright-evil", data=b"evil")],
    "link up": [link("l", "../outside")],
    "link absolute": [link("l", "/etc/passwd")],
    "through a link to a folder": [member("d", tarfile.DIRTYPE), link("l", "d"), member("l/../../evil", data=b"evil")],
    "file through a link": [link("l", "outside"), member("l/evil", data=b"evil")],
    "link to a link": [link("a", "."), link("a/b", ".."), member("b/evil", data=b"evil")],
    "hard link up": [hard("h", "../outside/secret"), member("h", data=b"evil")],
    "hard link absolute": [hard("h", "/etc/hostname")],
    "hard link to a link": [link("l", "x"), hard("h", "l")],
    "hard link through a link": [member("d", tarfile.DIRTYPE), link("l", "d"), hard("h", "l/x")],
    "hard link to nothing": [hard("h", "nothing")],
    "device": [member("sda", tarfile.BLKTYPE)],
    "null": [member("null", tarfile.CHRTYPE)],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
    "folder over a file": [member("x", data=b"1"), member("x/evil", data=b"evil")],
    "longer than a path may be": long_way_out(16),
    "a few links": long_way_out(3),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_leaves_the_folder(tmp_path: Path, name: str) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    data = tar(*HOSTILE[name])
    with pytest.raises(BadArchive):
        unpack(io.BytesIO(data), len(data), target)
    assert {p.name for p in tmp_path.iterdir()} == {"target", "outside"}
    assert [(p.name, p.read_bytes(), p.stat().st_nlink) for p in outside.iterdir()] == [("secret", SECRET, 1)]
    assert not Path("/tmp/sagewright-evil").exists()
    assert not any("evil" in files for _, _, files in os.walk(tmp_path))


def test_harmless_archives_come_out_whole(tmp_path: Path) -> None:
    data = tar(
        member("./", tarfile.DIRTYPE), member("./code/", tarfile.DIRTYPE), member("./code/run.sh", data=b"#!", mode=0o7777),
        member("model", data=b"old"), member("model", data=b"new"), link("current", "model"), link("code/up", "../model"),
        hard("same", "model"), member("deep/er/x", data=b"x"), member("ünï", data=b"u", mode=0),
    )
    unpack(io.BytesIO(data), len(data), tmp_path)
    assert (tmp_path / "current").read_bytes() == (tmp_path / "code/up").read_bytes() == (tmp_path / "same").read_bytes() == b"new"
    assert (tmp_path / "code/run.sh").stat().st_mode & 0o7777 == 0o755, "no set-uid, nobody else may write"
    assert (tmp_path / "deep/er/x").read_bytes() == b"x"
    assert (tmp_path / "ünï").stat().st_mode & 0o777 == 0o600


def test_a_link_that_was_there_before_is_not_followed(tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "d").symlink_to(outside)
    (target / "f").symlink_to(outside / "f")
    data = tar(member("d/evil", data=b"evil"))
    with pytest.raises(BadArchive, match="no folder"):
        unpack(io.BytesIO(data), len(data), target)
    data = tar(member("f", data=b"fine"))
    unpack(io.BytesIO(data), len(data), target)
    assert not list(outside.iterdir())
    assert (target / "f").read_bytes() == b"fine"


def zeros(count: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        for _ in range(count // 2**20):
            packed.write(bytes(2**20))
    return out.getvalue()


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_bomb_in_a_header_is_not_read_into_memory(tmp_path: Path, kind: bytes) -> None:
    data = gzip.compress(header(kind, 2**32)) + zeros(2**28)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadArchive, match="header"):
        unpack(io.BytesIO(data), len(data), tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "KiB"


@pytest.mark.parametrize("make", [
    lambda: gzip.compress(header(tarfile.REGTYPE, 2**26)) + zeros(2**26),
    lambda: tar(*[member(f"{n}", data=bytes(2**20)) for n in range(64)]),
    lambda: tar(*[member("same", data=bytes(2**20)) for n in range(64)]),
])
def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]) -> None:
    monkeypatch.setattr(archive, "BOMB_FLOOR", 2**22)
    monkeypatch.setattr(archive, "BOMB_RATIO", 10)
    data = make()
    with pytest.raises(BadArchive, match="more than"):
        unpack(io.BytesIO(data), len(data), tmp_path)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*")) <= 2**22


def test_more_members_than_a_folder_should_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 50)
    data = tar(*[member(f"{n}", tarfile.DIRTYPE) for n in range(51)])
    with pytest.raises(BadArchive, match="members"):
        unpack(io.BytesIO(data), len(data), tmp_path)


NAMES = st.text(st.sampled_from("ab./\0é "), min_size=1, max_size=12)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=8), garbage=st.binary(max_size=40))
def test_any_archive_stays_inside(tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]], garbage: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    target = folder / "in"
    target.mkdir()
    data = tar(*[member(n, k, to, b"x" if k == tarfile.REGTYPE else b"") for n, k, to in members], mode="w") + garbage
    with contextlib.suppress(BadArchive):
        unpack(io.BytesIO(data), len(data), target)
    assert [p.name for p in folder.iterdir()] == ["in"]
    for place, folders, files in os.walk(target):
        for name in (*folders, *files):
            path = Path(place, name)
            assert not path.is_symlink() or not path.readlink().is_absolute()
            assert path.is_symlink() or path.is_dir() or path.is_file()

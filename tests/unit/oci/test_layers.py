"""Layers as hostile as their makers like: whatever they hold, nothing outside of the root file system changes."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.agent.oci import layers
from sagewright.agent.oci.documents import BadImage
from sagewright.testing.containers import special, tar

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root with a victim beside it, which must look the same afterwards."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("kept")
    (tmp_path / "root").mkdir()
    yield tmp_path / "root"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root", "victim"]
    assert {p.name: p.read_text() for p in victim.iterdir()} == {"kept": "kept"}
    assert stat.S_IMODE(victim.stat().st_mode) & 0o777 == 0o755
    assert (victim / "kept").stat().st_nlink == 1


def apply(root: Path, *archives: bytes, most: int = 10**7) -> list[str]:
    left_out: list[str] = []
    budget = layers.Budget(most)
    for archive in archives:
        layers.apply(io.BytesIO(archive), root, budget, left_out.append)
    return left_out


def tree(root: Path) -> dict[str, str]:
    """Path → content, link target or '/'."""
    found = {}
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            what = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_text()
            found[str(path.relative_to(root))] = what
    return found


def test_layers_add_replace_and_remove(root: Path) -> None:
    base = tar([("etc/a", "1"), ("etc/b", "2"), ("opt/x/y", "3"), ("opt/x/z", "4"), ("was-file", "5"), ("was-folder/in", "6")])
    above = tar([
        ("etc/a", "new"), ("etc/.wh.b", ""), ("opt/x/new", "7"), ("opt/x/.wh..wh..opq", ""), ("etc/c", "8"),
        special("was-file", FOLDER), ("was-file/in", "9"), ("was-folder", "10"), ("no/.wh.such", ""), (".wh..wh.plnk", "x"),
    ])
    apply(root, base, above)
    assert tree(root) == {
        "etc": "/", "etc/a": "new", "etc/c": "8", "opt": "/", "opt/x": "/", "opt/x/new": "7", "was-file": "/",
        "was-file/in": "9", "was-folder": "10",
    }


def test_links_mean_what_they_mean_inside(root: Path) -> None:
    base = tar([
        special("usr", FOLDER), special("usr/lib", FOLDER), special("lib", LINK, "usr/lib"), ("lib/libc", "c"),
        special("abs", LINK, "/usr/lib"), ("abs/libm", "m"), special("up", LINK, "../../../../usr"), ("up/share/doc", "d"),
        special("hard", HARD, "/usr/lib/libc"), special("etc/mtab", LINK, "/proc/self/mounts"),
    ])
    apply(root, base)
    assert tree(root)["usr/lib/libc"] == "c"
    assert tree(root)["usr/lib/libm"] == "m"
    assert tree(root)["usr/share/doc"] == "d"
    assert (root / "hard").samefile(root / "usr/lib/libc")
    assert (root / "etc/mtab").readlink() == Path("/proc/self/mounts")


@pytest.mark.parametrize("members", [
    [("../victim/kept", "x")],
    [("a/../../victim/kept", "x")],
    [("/../victim/kept", "x")],
    [special("d", LINK, "../victim"), ("d/kept", "x"), ("d/new", "x")],
    [special("d", LINK, "{victim}"), ("d/kept", "x"), ("d/new", "x")],
    [special("d", LINK, "{victim}"), special("d/sub", FOLDER, mode=0o777), special("d", FOLDER, mode=0o777)],
    [special("a", LINK, "b"), special("b", LINK, "{victim}"), ("a/kept", "x")],
    [special("a", LINK, "."), special("a/b", LINK, "../victim"), ("a/b/kept", "x")],
    [special("h", HARD, "../victim/kept"), ("h", "x")],
    [special("h", HARD, "{victim}/kept"), ("h", "x")],
    [special("d", LINK, "{victim}"), special("h", HARD, "d/kept")],
    [special("d", LINK, "../victim"), ("d/.wh.kept", "")],
    [special("d", LINK, "{victim}"), ("d/.wh..wh..opq", "")],
    [("d/x", "x"), ("d/.wh...", "")],
    [("d/x", "x"), ("d/.wh..", "")],
    [(".wh.", "")],
    [special("a", LINK, "a"), ("a/x", "x")],
    [special("a", LINK, "b/x"), special("b", LINK, "a/x"), ("a/x", "x")],
    [("f", "x"), ("f/g", "x")],
    [special("d", LINK, "/victim"), special("d", FOLDER), ("d/kept", "x")],
    [special("proc", LINK, "/proc/self/root"), ("proc/{victim}/kept", "x")],
    [special("dev", tarfile.CHRTYPE), special("blk", tarfile.BLKTYPE), special("pipe", tarfile.FIFOTYPE)],
], ids=lambda members: " ".join(m.name if isinstance(m, tarfile.TarInfo) else m[0] for m in members))
def test_nothing_outside_is_touched(root: Path, members: list[tarfile.TarInfo | tuple[str, str]]) -> None:
    """Most are placed inside as a program of the image would see them; some are refused. The fixture looks at the rest."""
    victim = str(root.parent / "victim")
    filled: list[tarfile.TarInfo | tuple[str, bytes | str]] = []
    for member in members:
        if isinstance(member, tarfile.TarInfo):
            member.linkname = member.linkname.replace("{victim}", victim)
            filled.append(member)
        else:
            filled.append((member[0].replace("{victim}", victim), member[1]))
    with contextlib.suppress(BadImage):
        apply(root, tar(filled))
    for path in root.rglob("*"):
        assert stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
    layers.finish(root)


_part = st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", ".wh..."])
_path = st.lists(_part, min_size=1, max_size=4).map("/".join)
_member = st.one_of(
    st.builds(lambda n: (n, "x"), _path),
    st.builds(special, _path, st.sampled_from([LINK, HARD, FOLDER, tarfile.CHRTYPE]), st.one_of(_path, st.just("../victim"), st.just("/"))),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_member, max_size=8), max_size=3))
def test_no_layers_at_all_lead_outside(tmp_path_factory: pytest.TempPathFactory, made: list[list[tarfile.TarInfo | tuple[str, str]]]) -> None:
    place = tmp_path_factory.mktemp("t")
    (place / "root").mkdir()
    (place / "victim").mkdir()
    (place / "victim" / "a").write_text("kept")
    (place / "victim" / "b").mkdir()
    for members in made:
        with contextlib.suppress(BadImage):
            apply(place / "root", tar([m for m in members if isinstance(m, tarfile.TarInfo) or m[0]]))
    assert sorted(p.name for p in place.iterdir()) == ["root", "victim"]
    assert sorted(p.name for p in (place / "victim").iterdir()) == ["a", "b"]
    assert (place / "victim" / "a").read_text() == "kept"
    assert not any((place / "victim" / "b").iterdir())
    assert (place / "victim" / "a").stat().st_nlink == 1


def test_privileges_are_left_behind(root: Path) -> None:
    suid = tarfile.TarInfo("bin/su")
    suid.mode, suid.uid, suid.gid, suid.size = 0o6755, 1234, 1234, 3
    closed = tarfile.TarInfo("secret")
    closed.mode, closed.size = 0o000, 1
    sticky = special("tmp", FOLDER, mode=0o7777)
    out = apply(root, tar([suid, closed, sticky, special("dev/kmem", tarfile.CHRTYPE), special("pipe", tarfile.FIFOTYPE)]))
    assert stat.S_IMODE((root / "bin/su").stat().st_mode) == 0o755
    assert (root / "bin/su").stat().st_uid == os.getuid()
    assert stat.S_IMODE((root / "secret").stat().st_mode) == 0o600, "its owner can read it"
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert out == ["dev/kmem", "pipe"]
    assert not (root / "dev" / "kmem").exists()


def test_a_bomb_ends_early(root: Path) -> None:
    big = tarfile.TarInfo("zeros")
    big.size = 10**9
    head = big.tobuf()

    class Endless(io.RawIOBase):
        """A header that promises a gigabyte, and zeros."""

        at = 0

        def read(self, size: int = -1) -> bytes:
            piece = (head + b"\0" * size)[self.at : self.at + size] if self.at < len(head) else b"\0" * size
            self.at += len(piece)
            return piece

    with pytest.raises(BadImage, match="unpacks to more than"):
        layers.apply(Endless(), root, layers.Budget(10**6))  # type: ignore[arg-type]
    assert not (root / "zeros").exists()
    with pytest.raises(BadImage, match="unpacks to more than"):
        apply(root, tar([special(f"d{n}", FOLDER) for n in range(300)]), most=100_000)


def test_headers_have_an_end(root: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**30
    with pytest.raises(BadImage, match="header"):
        apply(root, name.tobuf() + b"x" * 10_000)


@pytest.mark.parametrize("raw", [b"", b"nonsense" * 200, tar([("a", "x" * 5000)])[:2000]])
def test_what_is_no_tar(root: Path, raw: bytes) -> None:
    with pytest.raises(BadImage):
        apply(root, raw)


def test_reading_inside_follows_links_inside(root: Path) -> None:
    apply(root, tar([
        ("usr/etc/passwd", "inside"), special("etc", LINK, "/usr/etc"), special("out", LINK, "/../victim/kept"),
        special("loop", LINK, "loop"), special("rel", LINK, "usr/../usr/etc/passwd"),
    ]))
    assert layers.read_inside(root, "etc/passwd") == b"inside"
    assert layers.read_inside(root, "rel") == b"inside"
    assert layers.read_inside(root, "out") is None
    assert layers.read_inside(root, "loop") is None
    assert layers.read_inside(root, "no/such") is None

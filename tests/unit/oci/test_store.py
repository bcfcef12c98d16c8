"""Archives, layouts and folders into the store, and from there into root file systems."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from sagewright.agent.oci import blobs as blobs_module
from sagewright.agent.oci import documents, sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.documents import BadImage
from sagewright.agent.oci.images import AllImages
from sagewright.agent.oci.names import Names
from sagewright.agent.oci.reference import parse
from sagewright.agent.oci.roots import Roots
from sagewright.stores.image_registry import (
    BadDigest,
    BadRange,
    MissingBlobs,
    NoSuchBlob,
    NoSuchImage,
    NoSuchRepository,
    Repository,
    RepositoryExists,
    RepositoryNotEmpty,
    TagTaken,
)
from sagewright.stores.images import Image, UnknownImage
from sagewright.testing.containers import Container, digest, special, tar

THING = parse("team/thing:1")


class NoImages:
    """Declared environments of a server that has none."""

    def resolve(self, uri: str) -> Image:
        raise UnknownImage(f"image {uri} is not known")

    def all(self) -> list[Image]:
        return []

    def ready(self, image: Image) -> bool:
        return False

    def ensure(self, image: Image, progress: object = None) -> None:
        raise AssertionError


@pytest.fixture
def store(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "oci")


@pytest.fixture
def images(store: Blobs) -> AllImages:
    return AllImages(store, NoImages(), lambda uri: None, ["docker.io"])  # type: ignore[arg-type]


@pytest.fixture
def thing() -> Container:
    layers = [tar([("bin/run", "one"), ("etc/gone", "x")]), tar([("etc/.wh.gone", ""), ("srv/new", "two")])]
    return Container(layers, {"Entrypoint": ["/bin/run"], "Cmd": ["x"], "Env": ["A=b=c", "bad"], "WorkingDir": "/srv", "User": "app:7"})


def content(images: AllImages, name: str) -> dict[str, str]:
    image = images.resolve(name)
    assert image.root is not None
    images.ensure(image)
    assert images.ready(images.resolve(name))
    root = image.root.path
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file() and p.parent.name != "etc"}


@pytest.mark.parametrize("way", ["layout", "oci", "oci.gz", "docker", "docker.gz", "docker-plain-layers"])
def test_every_source_gives_the_same_image(images: AllImages, thing: Container, tmp_path: Path, way: str) -> None:
    if way == "layout":
        path = thing.layout(tmp_path / "layout")
    elif way.startswith("oci"):
        path = thing.oci_archive(tmp_path / "a.tar", "w:gz" if way.endswith("gz") else "w")
    else:
        path = thing.docker_archive(tmp_path / "a.tar", mode="w:gz" if way.endswith("gz") else "w")
    sources.import_path(images.store, THING, path, {})
    assert content(images, "team/thing:1") == {"bin/run": "one", "srv/new": "two"}
    image = images.resolve("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/thing:1")
    assert image.root is not None
    assert (image.root.entrypoint, image.root.cmd, image.root.workdir, image.root.user) == (("/bin/run",), ("x",), "/srv", "app:7")
    assert image.env == {"A": "b=c"}
    assert list((images.store.root / "uploads").iterdir()) == []


def test_equal_layers_of_a_docker_archive_are_links(images: AllImages, tmp_path: Path) -> None:
    layer = tar([("a", "1")])
    sources.import_path(images.store, THING, Container([layer, layer], {}).docker_archive(tmp_path / "a.tar"), {})
    assert content(images, "team/thing:1") == {"a": "1"}


def test_a_root_file_system_keeps_its_links_and_loses_its_privileges(images: AllImages, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("tool")
    (root / "bin" / "tool").chmod(0o4755)
    (root / "bin" / "same").hardlink_to(root / "bin" / "tool")
    (root / "bin" / "link").symlink_to("/bin/tool")
    os.mkfifo(root / "bin" / "pipe")
    sources.import_path(images.store, THING, root, {"Entrypoint": ["/bin/tool"], "Env": ["X=1"]})
    image = images.resolve("team/thing:1")
    images.ensure(image)
    assert image.root is not None
    made = image.root.path / "bin"
    assert sorted(p.name for p in made.iterdir()) == ["link", "same", "tool"]
    assert (made / "tool").stat().st_mode & 0o7777 == 0o755
    assert (made / "tool").stat().st_ino == (made / "same").stat().st_ino
    assert (made / "link").readlink() == Path("/bin/tool")
    assert image.env == {"X": "1"}


def test_the_platform_is_chosen_from_an_index(store: Blobs, images: AllImages, thing: Container) -> None:
    other = Container([tar([("other", "x")])], arch="riscv64")
    store.create_repository(Repository("team/thing", time.time()))
    for one in (thing, other):
        for data in one.blobs.values():
            store.add("team/thing", data)
        store.put_manifest("team/thing", one.manifest, "")
    store.put_manifest("team/thing", thing.index(other), documents.OCI_INDEX, "multi")
    assert content(images, "team/thing:multi") == {"bin/run": "one", "srv/new": "two"}
    store.put_manifest("team/thing", other.index(), documents.OCI_INDEX, "foreign")
    with pytest.raises(UnknownImage, match=r"not for linux/.*riscv64"):
        images.resolve("team/thing:foreign")
    store.put_manifest("team/thing", other.manifest, "", "plain")
    with pytest.raises(UnknownImage, match=r"for linux/riscv64; this machine is"):
        images.resolve("team/thing:plain")


def take(images: AllImages, path: Path) -> None:
    sources.import_path(images.store, THING, path, {})
    images.ensure(images.resolve("team/thing:1"))


@pytest.mark.parametrize("damage", ["layer", "diff_id", "config", "no manifest", "not a tar", "not json", "two images"])
def test_damaged_images_are_refused_and_leave_nothing(images: AllImages, thing: Container, tmp_path: Path, damage: str) -> None:
    layout = thing.layout(tmp_path / "layout")
    blob = layout / "blobs" / "sha256"
    if damage == "layer":
        (blob / digest(thing.packed[1])[7:]).write_bytes(b"changed")
    elif damage == "diff_id":
        thing.layers[1] += b"\0" * 512
        (layout / "index.json").unlink()
        lying = Container(thing.layers[:1], thing.config)
        wrong = json.loads(lying.configuration) | {"rootfs": {"type": "layers", "diff_ids": [digest(b"")]}}
        raw = documents.dump(wrong)
        manifest = json.loads(lying.manifest)
        manifest["config"] |= {"digest": digest(raw), "size": len(raw)}
        body = documents.dump(manifest)
        for data in (raw, body, lying.packed[0]):
            (blob / digest(data)[7:]).write_bytes(data)
        index = {"schemaVersion": 2, "manifests": [{"digest": digest(body), "size": len(body), "mediaType": documents.OCI_MANIFEST}]}
        (layout / "index.json").write_bytes(documents.dump(index))
    elif damage == "config":
        (blob / digest(thing.configuration)[7:]).unlink()
    elif damage == "no manifest":
        (blob / digest(thing.manifest)[7:]).unlink()
    elif damage == "not a tar":
        layout = tmp_path / "a.tar"
        layout.write_bytes(os.urandom(5000))
    elif damage == "not json":
        (layout / "index.json").write_text("{")
    else:
        index = json.loads((layout / "index.json").read_text())
        index["manifests"] = [
            {**index["manifests"][0], "annotations": {"org.opencontainers.image.ref.name": tag}} for tag in ("7", "8")
        ]
        (layout / "index.json").write_bytes(documents.dump(index))
    with pytest.raises((BadImage, RuntimeError)):
        take(images, layout)
    assert not images.roots.folder.exists() or [p for p in images.roots.folder.iterdir() if p.suffix not in (".lock", ".making")] == []


def test_an_archive_cannot_place_files(images: AllImages, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar([("../../escaped", "x"), ("index.json", "{}"), special("blobs", tarfile.SYMTYPE, "/etc")]))
    with pytest.raises(BadImage):
        sources.import_path(images.store, THING, tmp_path / "a.tar", {})
    assert not (tmp_path / "escaped").exists()


def test_a_layout_that_leads_away_is_not_followed(images: AllImages, thing: Container, tmp_path: Path) -> None:
    layout = thing.layout(tmp_path / "layout")
    secret = tmp_path / "secret"
    secret.write_bytes(thing.packed[0])
    link = layout / "blobs" / "sha256" / digest(thing.packed[0])[7:]
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(BadImage, match="has no"):
        sources.import_path(images.store, THING, layout, {})


def test_zstd_layers(images: AllImages, thing: Container, tmp_path: Path) -> None:
    try:
        packed = subprocess.run(["zstd", "-q", "-c"], input=thing.layers[0], capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("no zstd here")
    one = Container(thing.layers[:1], {})
    manifest = json.loads(one.manifest)
    manifest["layers"][0] |= {"digest": digest(packed), "size": len(packed), "mediaType": documents.OCI_LAYER + "+zstd"}
    images.store.create_repository(Repository("team/thing", 0.0))
    for data in (packed, one.configuration):
        images.store.add("team/thing", data)
    images.store.put_manifest("team/thing", documents.dump(manifest), "", "1")
    assert content(images, "team/thing:1")["bin/run"] == "one"


# -- the registry


def pushed(store: Blobs, name: str, container: Container, tag: str = "") -> str:
    store.ensure_repository(name)
    for data in container.blobs.values():
        store.add(name, data)
    return store.put_manifest(name, container.manifest, "", tag).digest


def test_uploads_are_proven_and_in_order(store: Blobs) -> None:
    store.create_repository(Repository("a", 0.0))
    with pytest.raises(RepositoryExists):
        store.create_repository(Repository("a", 0.0))
    upload = store.begin("a")
    assert store.receive("a", upload, b"he", 0) == 2
    with pytest.raises(BadRange):
        store.receive("a", upload, b"llo", 5)
    assert store.receive("a", upload, b"llo") == 5
    with pytest.raises(NoSuchBlob):
        store.received("b", upload)
    with pytest.raises(BadDigest):
        store.complete("a", upload, digest(b"other"))
    with pytest.raises(NoSuchBlob):
        store.received("a", upload)
    upload = store.begin("a")
    store.receive("a", upload, b"hello")
    assert store.complete("a", upload, digest(b"hello")) == 5
    assert store.blob("a", digest(b"hello")).read_bytes() == b"hello"
    for bad in ("../x", "x" * 32, "", upload + "/.."):
        with pytest.raises(NoSuchBlob):
            store.received("a", bad)


def test_a_blob_belongs_to_the_repositories_that_have_it(store: Blobs) -> None:
    for name in ("a", "a/b"):
        store.create_repository(Repository(name, 0.0))
    found = store.add("a", b"mine")
    with pytest.raises(NoSuchBlob):
        store.blob("a/b", found)
    assert store.missing("a/b", [found]) == [found]
    assert store.mount("a/b", found, "a")
    assert store.blob("a/b", found).read_bytes() == b"mine"
    assert not store.mount("a/b", digest(b"no"), "a")
    assert not store.mount("a/b", found, "nowhere")
    assert [r.name for r in store.repositories()] == ["a", "a/b"]


def test_images_need_their_blobs_and_immutable_tags_stay(store: Blobs, thing: Container) -> None:
    store.create_repository(Repository("a", 0.0, immutable=True))
    with pytest.raises(MissingBlobs) as missing:
        store.put_manifest("a", thing.manifest, "", "1")
    assert set(missing.value.digests) == set(thing.blobs)
    found = pushed(store, "a", thing, "1")
    other = Container([tar([("x", "y")])])
    with pytest.raises(TagTaken):
        pushed(store, "a", other, "1")
    assert store.image("a", "1").digest == found
    assert store.put_manifest("a", thing.manifest, "", "1").tags == ("1",)
    with pytest.raises(BadDigest):
        store.put_manifest("a", thing.manifest, "", "1", digest(b""))
    with pytest.raises(NoSuchImage):
        store.image("a", "2")
    with pytest.raises(NoSuchRepository):
        store.image("b", "1")


def test_deleting_frees_what_no_other_image_needs(store: Blobs, thing: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pushed(store, "a", thing, "1"), pushed(store, "a", Container(thing.layers[:1], {"Cmd": ["y"]}), "2")
    monkeypatch.setattr(blobs_module, "GRACE", 0.0)
    store.untag("a", "1")
    store.sweep(0.0)
    assert not store.has(first)
    assert store.has(digest(thing.packed[0])), "the other image has it too"
    assert not store.has(digest(thing.packed[1]))
    with pytest.raises(RepositoryNotEmpty):
        store.delete_repository("a")
    store.delete_repository("a", force=True)
    assert not store.has(second)
    assert store.repositories() == []
    assert list((store.root / "blobs" / "sha256").iterdir()) == []


def test_layers_wait_for_their_manifest(store: Blobs, thing: Container) -> None:
    """A sweep between a layer's upload and its manifest's takes nothing away."""
    pushed(store, "a", Container([tar([("x", "y")])]), "old")
    waiting = store.add("a", thing.packed[0])
    store.untag("a", "old")
    assert store.has(waiting)


# -- root file systems


def test_a_root_is_made_once_and_kept_while_it_is_used(images: AllImages, store: Blobs, thing: Container) -> None:
    pushed(store, "a", thing, "1")
    image = images.resolve("a:1")
    said: list[str] = []
    images.ensure(image, said.append)
    assert len([line for line in said if "Unpacking" in line]) == 2
    images.ensure(image, lambda line: pytest.fail(line))
    assert image.root is not None
    held = images.roots.hold(image.root.path)
    assert held is not None
    store.untag("a", "1")
    assert images.remove_unused() == []
    assert images.roots.ready(image.root.path)
    os.close(held)
    assert images.remove_unused() == [image.root.path]
    assert images.roots.hold(image.root.path) is None


def test_debris_of_a_killed_unpacking_is_removed(images: AllImages, store: Blobs, thing: Container) -> None:
    pushed(store, "a", thing, "1")
    images.ensure(images.resolve("a:1"))
    debris = images.roots.folder / ".0123456789abcdef-0000"
    (debris / "rootfs" / "bin").mkdir(parents=True)
    images.remove_unused()
    assert not debris.exists()
    image = images.resolve("a:1")
    assert images.ready(image)
    assert image.root is not None
    own = images.roots.folder / f".{image.root.path.parent.name[:16]}-0000"
    (own / "rootfs" / "bin").mkdir(parents=True)
    shutil.rmtree(image.root.path.parent)
    images.ensure(image)
    assert not own.exists(), "whoever makes it anew clears up first"


def test_uploads_that_were_given_up_go(store: Blobs) -> None:
    store.create_repository(Repository("a", 0.0))
    old, new = store.begin("a"), store.begin("a")
    for path in (store.root / "uploads").glob(f"{old}*"):
        os.utime(path, (0, 0))
    store.sweep()
    with pytest.raises(NoSuchBlob):
        store.received("a", old)
    assert store.received("a", new) == 0


def test_two_processes_unpack_once(store: Blobs, thing: Container) -> None:
    pushed(store, "a", thing, "1")
    code = (
        "import sys; from pathlib import Path; from sagewright.agent.oci.blobs import Blobs; from sagewright.agent.oci.roots import Roots;"
        "from sagewright.agent.oci import documents as d; b = Blobs(Path(sys.argv[1]));"
        "m = d.manifest_of(d.read_json(b.manifest('a', '1')[1], 'm')); n = []; Roots(b).make(m, n.append); print(len(n))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    counts = sorted(int(p.communicate(timeout=60)[0]) for p in running)
    assert counts == [0, 0, 2]


def test_who_waits_for_an_unpacking_does_not_wait_for_the_jobs_that_use_it(store: Blobs, thing: Container) -> None:
    """The first of two agents has made the root and runs its job for hours; the second must not wait for that."""
    pushed(store, "a", thing, "1")
    roots, manifest = Roots(store), documents.manifest_of(documents.read_json(store.manifest("a", "1")[1], "it"))
    began, go = threading.Event(), threading.Event()

    def first(line: str) -> None:
        began.set()
        go.wait(10)

    one = threading.Thread(target=roots.make, args=(manifest, first), daemon=True)
    one.start()
    began.wait(10)
    two = threading.Thread(target=Roots(store).make, args=(manifest,), daemon=True)
    two.start()
    go.set()
    one.join(10)
    held = roots.hold(roots.path(manifest))
    assert held is not None
    two.join(10)
    assert not two.is_alive()
    os.close(held)


# -- names


def test_names_not_known_say_how_to_supply_them(images: AllImages) -> None:
    with pytest.raises(UnknownImage) as caught:
        images.resolve("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/none:3")
    for part in ("team/none:3", "sagewright images import", "sagewright images pull", "sagewright images map", "push"):
        assert part in str(caught.value)


def test_only_allowed_registries_are_asked(images: AllImages) -> None:
    with pytest.raises(UnknownImage):
        images.resolve("ghcr.io/team/none:3")
    for name in ("docker.io/team/none:3", "team/none:3"):  # a short name means Docker Hub's
        assert images.resolve(name).remote == name
    assert not images.ready(images.resolve("docker.io/team/none:3"))


def test_the_operators_names_come_first(store: Blobs, thing: Container, tmp_path: Path) -> None:
    pushed(store, "a", thing, "1")
    names = Names(tmp_path / "images.toml")
    images = AllImages(store, NoImages(), names.target)  # type: ignore[arg-type]
    (tmp_path / "images.toml").write_text('# ours\n[images]\n"kept" = "x:1"  # why\n')
    names.put("team/alias:9", "a:1")
    assert images.resolve("team/alias:9").repository == "a"
    names.put("a", "elsewhere:2")
    with pytest.raises(UnknownImage):
        images.resolve("a:1")
    names.put("a", None)
    assert images.resolve("a:1").repository == "a"
    assert (tmp_path / "images.toml").read_text() == '# ours\n[images]\n"team/alias:9" = "a:1"\n"kept" = "x:1"  # why\n'
    names.put("keep-tag", "a")
    assert images.resolve("keep-tag:1").repository == "a"


def test_roots_agree_whatever_the_packing(images: AllImages, store: Blobs, thing: Container) -> None:
    plain = Container(thing.layers, thing.config, compress=False)
    pushed(store, "a", thing, "gz")
    pushed(store, "a", plain, "plain")
    first, second = images.resolve("a:gz"), images.resolve("a:plain")
    assert first.root is not None
    assert second.root is not None
    assert first.root.path == second.root.path
    assert Roots(store).path(documents.manifest_of(json.load(io.BytesIO(plain.manifest)))) == first.root.path

"""`sagewright images` with container images: taken in, pulled, named, listed, removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagewright import cli
from sagewright.testing.containers import Container, tar


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return Container([tar([("bin/x", "x")])], {"Entrypoint": ["/bin/x"]}).docker_archive(tmp_path / "a.tar")


def say(capsys: pytest.CaptureFixture[str], data: Path, *words: str, code: int = 0) -> str:
    """What the command says, answer and errors."""
    assert cli.main(["images", *words, "--data", str(data)]) == code
    out, err = capsys.readouterr()
    return out + err


def listed(capsys: pytest.CaptureFixture[str], data: Path) -> dict[str, dict[str, object]]:
    rows = json.loads(say(capsys, data, "list", "--json"))
    return {f"{row['repository']}:{row['tag']}": row for row in rows if row["kind"] == "container image"}


def test_a_container_image_comes_is_named_and_goes(tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    assert "team/thing:2" in say(capsys, data, "import", "team/thing:2", str(archive))
    say(capsys, data, "import", "team/thing", str(archive))
    found = listed(capsys, data)
    assert set(found) == {"team/thing:2", "team/thing:latest"}
    assert found["team/thing:2"]["ready"] is True
    root = Path(str(found["team/thing:2"]["root"]))
    assert (root / "bin" / "x").read_text() == "x"
    assert "team/thing:2" in say(capsys, data, "list")
    assert "alias:1 is team/thing:2 (container image)" in say(capsys, data, "map", "alias:1=team/thing:2")
    assert "other is sagemaker-base-python:3.11 (environment)" in say(capsys, data, "map", "other=sagemaker-base-python:3.11")
    assert "alias:1 is not mapped any more" in say(capsys, data, "map", "alias:1=")
    say(capsys, data, "remove", "team/thing:2")
    assert root.exists(), "the other tag has it still"
    assert "1 unpacked root file system" in say(capsys, data, "remove", "team/thing")
    assert not root.exists()
    assert listed(capsys, data) == {}
    blobs = data / "oci" / "blobs" / "sha256"
    assert list(blobs.iterdir()) == []


def test_a_root_file_system_says_what_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root" / "bin").mkdir(parents=True)
    (tmp_path / "root" / "bin" / "x").write_text("x")
    words = ["--entrypoint", "/bin/x 'two words'", "--env", "A=b", "--env", "C=d=e", "--workdir", "/srv", "--user", "7:8"]
    say(capsys, tmp_path / "data", "import", "plain:1", str(tmp_path / "root"), *words)
    from sagewright.bootstrap.agent import images
    from sagewright.settings import Settings

    image = images(Settings.load({}, data=str(tmp_path / "data"))).resolve("plain:1")
    assert image.root is not None
    assert (image.root.entrypoint, image.root.workdir, image.root.user, image.env) == (("/bin/x", "two words"), "/srv", "7:8", {"A": "b", "C": "d=e"})


@pytest.mark.parametrize(("words", "says"), [
    (["import", "Bad Name", "{archive}"], "is no repository name"),
    (["import", "a@sha256:" + "0" * 64, "{archive}"], "needs a name and a tag"),
    (["import", "a:1", "/no/such"], "/no/such does not exist"),
    (["import", "a:1", "{folder}"], "neither an OCI layout"),
    (["import", "a:1", "{garbage}"], "no readable tar archive"),
    (["remove", "a:1"], "there is no container image a:1"),
    (["map", "a:1"], "is no mapping"),
    (["map", "a:1=nothing-such:9"], "nothing-such:9 is not known"),
    (["pull", "nothing:1"], "docker.io/library/python:3.12"),
    (["pull", "127.0.0.1:1/a:1"], "is not known"),
], ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else "")
def test_problems_say_what_to_do(tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "garbage").write_bytes(b"garbage" * 100)
    places = {"{archive}": str(archive), "{folder}": str(tmp_path / "folder"), "{garbage}": str(tmp_path / "garbage")}
    assert says in say(capsys, tmp_path / "data", *(places.get(word, word) for word in words), code=1)


def test_an_import_that_a_mapping_hides_is_told(tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, tmp_path, "map", "thing:1=sagemaker-base-python:3.11")
    assert "thing:1 is mapped to sagemaker-base-python:3.11" in say(capsys, tmp_path, "import", "thing:1", str(archive), code=1)

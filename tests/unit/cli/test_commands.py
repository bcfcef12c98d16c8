"""The command line without a server: what it says, and that it says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from sagewright import cli
from sagewright.bootstrap import archive
from sagewright.cli.output import Problem, duration, size, table
from sagewright.cli.place import Place
from sagewright.settings import Settings


def test_help_is_immediate_and_loads_nothing_heavy() -> None:
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "sagewright", "--help"], capture_output=True, text=True, check=True)
    took = time.monotonic() - begun
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "sagewright.cli.place" in loaded
    heavy = {"botocore", "httptools", "cryptography", "psutil", "asyncio", "sqlite3", "sagewright.bootstrap"}
    assert not heavy & loaded
    assert took < 3.0  # the figure itself is the benchmark's


@pytest.mark.parametrize("argv", [["env"], ["exec", "--", "true"], ["logs", "job"]])
def test_without_a_server_it_says_what_to_do(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([argv[0], "--data", str(tmp_path), *argv[1:]]) == 1
    said = capsys.readouterr().err
    assert "no server is running" in said
    assert f"sagewright up --detach --data {tmp_path}" in said


def test_status_and_down_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--json", "--data", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False, "data": str(tmp_path)}
    assert cli.main(["down", "--data", str(tmp_path)]) == 0


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert not place.held()
    with place.hold():
        assert place.held()
        with pytest.raises(Problem, match="already"), Place(tmp_path).hold():
            pass
    assert not place.held()


def test_a_state_file_left_by_a_killed_server_does_not_count(tmp_path: Path) -> None:
    state = {"pid": os.getpid(), "url": "http://127.0.0.1:1", "started": 1.0, "version": "0", "region": "r", "account": "a", "workspaces": ""}
    (tmp_path / "server.json").write_text(json.dumps(state))
    assert Place(tmp_path).running() is None
    with Place(tmp_path).hold():
        assert Place(tmp_path).running() is None  # nor while the next one starts: `down` would end whoever has that process id now
        (tmp_path / "server.json").write_text(json.dumps(state))
        found = Place(tmp_path).running()
        assert found is not None
        assert found.url == "http://127.0.0.1:1"


def test_a_server_that_listens_everywhere_is_reached_on_loopback(tmp_path: Path) -> None:
    state = {"pid": 1, "url": "http://0.0.0.0:4566", "started": 1.0, "version": "0", "region": "r", "account": "a", "workspaces": ""}
    with Place(tmp_path).hold():
        (tmp_path / "server.json").write_text(json.dumps(state))
        assert Place(tmp_path).need().local_url == "http://127.0.0.1:4566"


def test_wrong_settings_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--port", "many", "--data", str(tmp_path)]) == 1
    assert "port: expected int, got 'many'" in capsys.readouterr().err
    assert cli.main(["up", "--host", "0.0.0.0", "--auth", "off", "--data", str(tmp_path)]) == 1
    assert "auth=off is refused" in capsys.readouterr().err


def test_images_are_listed_and_unknown_ones_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["images", "list", "--json", "--data", str(tmp_path)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"sagemaker-xgboost", "sagemaker-scikit-learn"} <= {i["repository"] for i in listed}
    assert cli.main(["images", "pull", "nothing:1", "--data", str(tmp_path)]) == 1
    assert "nothing:1 is not known" in capsys.readouterr().err


def test_doctor_runs_the_real_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json", "--data", str(tmp_path)])
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert {"python", "sandbox", "disk", "uv", "interpreters", "tls", "records", "clock"} <= set(found)
    assert all(f["remedy"] for f in found.values() if f["level"] == "fail")


def test_people_read_numbers() -> None:
    assert [size(n) for n in (0, 1536, 3 * 2**30)] == ["0 B", "1.5 KiB", "3.0 GiB"]
    assert [duration(n) for n in (9, 190, 7500, 360_000)] == ["9s", "3m 10s", "2h 5m", "4d 4h"]
    assert table([("a", "bcd"), ("efg", "h")]) == "a    bcd\nefg  h"


# -- backup and restore


@pytest.fixture
def data(tmp_path: Path) -> Settings:
    """A data directory with two objects, one under a key that cannot be a path, and a log."""
    from sagewright.bootstrap.agent import objects

    settings = Settings(data=tmp_path / "data")
    settings.data.mkdir()
    (settings.data / "credentials.json").write_text('{"access_key": "AKIAX", "secret_key": "s"}')
    (settings.data / "logs" / "group").mkdir(parents=True)
    (settings.data / "logs" / "group" / "stream.log").write_text("1 hello\n")
    store = objects(settings)
    store.create_bucket("photos", settings.account, settings.region)
    for key, body in (("a/b.txt", b"plain"), ("../odd", b"x" * 100_000)):
        writer = store.writer("photos", key)
        writer.write(body)
        writer.commit()
    store.close()
    return settings


async def test_what_is_restored_is_what_was_backed_up(data: Settings, tmp_path: Path) -> None:
    from sagewright.bootstrap.agent import objects

    for name in ("b.tar", "b.tar.gz"):
        said = await archive.backup(data, tmp_path / name)
        assert said["objects"] == 2
        target = tmp_path / f"restored-{name}"
        assert archive.restore(tmp_path / name, target)["objects"] == 2
        store, old = objects(Settings(data=target)), objects(data)
        for key in ("a/b.txt", "../odd"):
            (info, file), (was, file_was) = store.open("photos", key), old.open("photos", key)
            with file, file_was:
                assert file.read() == file_was.read()
            assert info == was
        store.close()
        old.close()
        assert (target / "logs" / "group" / "stream.log").read_text() == "1 hello\n"
        assert (target / "credentials.json").stat().st_mode & 0o777 == 0o600


async def test_a_backup_is_never_overwritten_and_leaves_nothing_half(data: Settings, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    await archive.backup(data, file)
    with pytest.raises(FileExistsError):
        await archive.backup(data, file)
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name or "sagewright-backup" in p.name]


async def test_damage_is_found_before_anything_is_restored(data: Settings, tmp_path: Path) -> None:
    whole = tmp_path / "b.tar"
    await archive.backup(data, whole)
    body = bytearray(whole.read_bytes())
    at = body.index(b"x" * 1000)
    cases = {"flipped": bytes(body[:at]) + b"y" + bytes(body[at + 1 :]), "cut": bytes(body[: at + 500]), "empty": b"", "other": b"hello" * 999}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(archive.BadBackup):
            archive.restore(tmp_path / name, tmp_path / "new")
        assert not (tmp_path / "new").exists(), name
    assert not [p for p in tmp_path.iterdir() if "restoring" in p.name]


async def test_a_directory_with_anything_in_it_is_not_touched(data: Settings, tmp_path: Path) -> None:
    await archive.backup(data, tmp_path / "b.tar")
    with pytest.raises(FileExistsError):
        archive.restore(tmp_path / "b.tar", data.data)
    empty = tmp_path / "empty"
    empty.mkdir()
    archive.restore(tmp_path / "b.tar", empty)
    assert (empty / "records.sqlite").exists()


def test_names_in_an_archive_cannot_leave_the_directory(tmp_path: Path) -> None:
    import hashlib
    import io

    for name in ("../evil", "/evil", "a/../../evil"):
        file = tmp_path / "evil.tar"
        manifest = json.dumps({"format": 1, "files": {name: {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}}}).encode()
        with tarfile.open(file, "w") as tar:
            for member, body in ((name, b"x"), ("manifest.json", manifest)):
                info = tarfile.TarInfo(member)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        with pytest.raises(archive.BadBackup, match="not a name"):
            archive.restore(file, tmp_path / "new")
        assert not (tmp_path / "new").exists()
        assert not (tmp_path / "evil").exists()

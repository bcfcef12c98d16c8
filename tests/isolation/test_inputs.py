"""Inputs in the sandbox, as root and as an ordinary user: pipes, the store's own folder, directories of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from sagewright.stores.compute import Input
from sagewright.testing.compute import Bench, FolderObjects

from .test_sandbox import answers, exit_of, script

TRAIN = "/opt/ml/input/data/train"


def store(bench: Bench) -> FolderObjects:
    return cast(FolderObjects, bench.ports.objects)


async def test_pipes_reach_the_job_and_are_its_own(bench: Bench) -> None:
    store(bench).put("b", "set/1", b"one")
    store(bench).put("b", "set/2", b"two")
    found = await answers(bench, f"""
        import json, os, stat
        found = []
        for epoch in range(2):
            about = os.stat('{TRAIN}_%d' % epoch)
            found.append([open('{TRAIN}_%d' % epoch).read(), stat.S_ISFIFO(about.st_mode), about.st_uid == os.getuid()])
        print(json.dumps(found))
    """, inputs=[Input(TRAIN, "s3://b/set/", label="train", mode="Pipe")])
    assert found == [["onetwo", True, True]] * 2


async def test_a_job_that_puts_a_link_in_the_place_of_its_next_pipe_writes_nowhere_else(bench: Bench, place: Path) -> None:
    """The agent may be root: what it opens must be the pipe that it made."""
    target = place / "data" / "target"
    target.write_text("")
    store(bench).put("b", "set/1", b"one")
    job = script(f"""
        import os
        first = open('{TRAIN}_0')
        first.read()
        os.unlink('{TRAIN}_1')
        os.symlink('{target}', '{TRAIN}_1')
        os.rename('/opt/ml/input/data', '/opt/ml/input/elsewhere')
        os.symlink('{target.parent}', '/opt/ml/input/data')
    """, inputs=[Input(TRAIN, "s3://b/set/", label="train", mode="Pipe")])
    assert exit_of(await bench.run(job))["ExitCode"] == 0, bench.log(job)
    assert target.read_text() == ""
    assert not list(target.parent.glob("train_*"))


async def test_fast_file_is_the_stores_folder_and_stays_unchanged(bench: Bench) -> None:
    store(bench).put("b", "set/deep/1", b"one")
    found = await answers(bench, f"""
        import json, os
        found = {{'text': open('{TRAIN}/deep/1').read(), 'own': os.stat('{TRAIN}/deep/1').st_uid == os.getuid()}}
        for name, action in (('write', lambda: open('{TRAIN}/deep/1', 'w')), ('chmod', lambda: os.chmod('{TRAIN}/deep/1', 0o777)),
                             ('remove', lambda: os.unlink('{TRAIN}/deep/1')), ('up', lambda: os.listdir('{TRAIN}/../../../../../objects'))):
            try:
                action()
                found[name] = 'done'
            except OSError as error:
                found[name] = error.strerror
        print(json.dumps(found))
    """, inputs=[Input(TRAIN, "s3://b/set", label="train", mode="FastFile")])
    assert found.pop("up") == "No such file or directory"
    assert found == {"text": "one", "own": True, "write": "Read-only file system", "chmod": "Read-only file system", "remove": "Read-only file system"}
    assert store(bench).get("b", "set/deep/1") == b"one"


def folder(path: Path, below: str = "", writable: bool = False) -> Input:
    return Input(TRAIN, f"file://{path}", type="Folder", below=below, writable=writable, label="train")


async def test_a_directory_of_the_machine(bench: Bench, place: Path) -> None:
    shared = place / "shared"
    (shared / "set").mkdir(parents=True)
    (shared / "set/data").write_text("data")
    code = f"""
        import json, os
        found = [open('{TRAIN}/data').read()]
        try:
            open('{TRAIN}/new', 'w').write('new')
            found.append('written')
        except OSError as error:
            found.append(error.strerror)
        print(json.dumps(found))
    """
    assert await answers(bench, code, inputs=[folder(shared, "set")]) == ["data", "Read-only file system"]
    assert await answers(bench, code, inputs=[folder(shared, "set", writable=True)]) == ["data", "written"]
    assert (shared / "set/new").read_text() == "new"
    assert (shared / "set/new").stat().st_uid == os.getuid(), "as if the server had written it"


async def test_a_link_that_a_job_has_left_leads_nowhere(bench: Bench, place: Path) -> None:
    shared, secret = place / "shared", place / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (shared / "deep").mkdir(parents=True)
    for link in (shared / "out", shared / "deep" / "out"):
        link.symlink_to(secret)
    for below in ("out", "deep/out"):
        reports = await bench.run(script("print('in')", inputs=[folder(shared, below)]))
        assert reports[-1].name == "Failed", reports
        assert exit_of(reports)["ExitCode"] is None

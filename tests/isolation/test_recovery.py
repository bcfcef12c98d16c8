"""Kill each process of the compute backend in turn: jobs go on, or fail with a true reason, and leave no orphan."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from sagewright.agent.layout import socket_folder
from sagewright.stores.compute import Limits, Output, Task
from sagewright.testing.compute import Bench, task
from sagewright.testing.processes import living

from .test_sandbox import exit_of, ids, script


def sleeper(name: str, seconds: float = 60) -> Task:
    """A job with a grandchild, whose command line names it."""
    return task(name, ["/bin/bash", "-c", f"sleep {seconds} & python3 -c 'import time; print(1, flush=True); time.sleep({seconds})'"],
                env={"SW_MARK": name})


def alive(name: str) -> list[int]:
    """Processes of this machine whose environment carries the job's mark."""
    return [p.pid for p in living(lambda p: p.environ().get("SW_MARK") == name)]


async def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (processes announce nothing)
            await asyncio.sleep(0.02)


def agent_of(bench: Bench, job: Task) -> int:
    return int(json.loads((bench.config.data / "jobs" / job.id / "pid").read_text())["pid"])


async def test_a_killed_agent_leaves_no_orphan_and_a_reason(bench: Bench) -> None:
    job = sleeper(f"orphan-{os.getpid()}-{next(ids)}")
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    await eventually(lambda: len(alive(job.id)) >= 2)
    os.kill(agent_of(bench, job), signal.SIGKILL)
    reports = await bench.until(job.id)
    assert reports[-1].name == "Failed"
    assert reports[-1].data["Reason"].startswith("InternalServerError: ")
    await eventually(lambda: not alive(job.id))


async def test_running_jobs_survive_launcher_and_server(bench: Bench) -> None:
    name = f"survivor-{os.getpid()}-{next(ids)}"
    job = script("""
    import time
    print("up", flush=True)
    while not __import__("os").path.exists("/opt/ml/model/go"):
        time.sleep(0.02)
    open("/opt/ml/model/done", "w").write("yes")
    """, env={"SW_MARK": name}, outputs=[Output("/opt/ml/model", "s3://out/model/")])
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    launcher = bench.compute._launcher
    assert launcher is not None
    os.kill(launcher.pid, signal.SIGKILL)
    second = task(f"after-{next(ids)}", ["/bin/true"])
    reports = await bench.run(second)
    assert exit_of(reports)["ExitCode"] == 0, "a new launcher takes new jobs"
    # a server that is gone and comes back: nothing of it but the files
    await bench.compute.close()
    assert alive(name)
    reborn = Bench(bench.config.data, Path(bench.settings["image"]), Path(bench.settings["environment"]))
    await reborn.open()
    try:
        (bench.config.data / "jobs" / job.id / "ml" / "model" / "go").touch()
        reports = await reborn.until(job.id)
        assert [report.name for report in reports] == ["Staging", "Started", "Exited", "Finished"]
        assert [report.seq for report in reports] == [1, 2, 3, 4]
        assert reborn.ports.objects.get("out", "model/done") == b"yes"  # type: ignore[attr-defined]
        await eventually(lambda: not alive(name))
    finally:
        await reborn.close()
    await bench.compute.open()


async def test_a_task_written_but_never_started_is_started_by_the_next_server(bench: Bench) -> None:
    await bench.compute.close()
    job = script("print('late')")
    from sagewright.agent.layout import Layout, dump_task, write_atomic

    layout = Layout(bench.config.data, job.id)
    layout.folder.mkdir(parents=True)
    write_atomic(layout.spec, dump_task(job))
    await bench.compute.open()
    reports = await bench.until(job.id)
    assert reports[-1].name == "Finished"
    assert bench.log(job) == ["late"]


async def test_an_agent_that_died_while_nobody_looked(bench: Bench) -> None:
    job = sleeper(f"unseen-{os.getpid()}-{next(ids)}")
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    pid = agent_of(bench, job)
    await bench.compute.close()
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not alive(job.id))
    await bench.compute.open()
    reports = await bench.compute.reports(job.id)
    assert reports[-1].name == "Failed"


async def test_submitting_twice_runs_once(bench: Bench) -> None:
    job = script("print('once')")
    await asyncio.gather(*(bench.compute.submit(job) for _ in range(5)))
    await bench.until(job.id)
    await bench.compute.submit(job)
    assert bench.log(job) == ["once"]


async def test_stop_reaches_python_below_a_shell(bench: Bench) -> None:
    job = task(f"stop-{next(ids)}", ["/bin/bash", "-c", "python3 /opt/ml/code/main.py; echo shell done"], files={
        "/opt/ml/code/main.py": "import signal, sys, time\n"
        "def stop(*_):\n    print('saving', flush=True); open('/opt/ml/model/w', 'w').write('kept'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('up', flush=True)\ntime.sleep(60)\n",
    }, outputs=[Output("/opt/ml/model", "s3://out/stopped/")])
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    await eventually(lambda: "up" in bench.log(job))
    await bench.compute.stop(job.id, grace=10)
    exited = exit_of(await bench.until(job.id))
    assert exited["Stopped"] is True
    assert "saving" in bench.log(job)
    assert bench.ports.objects.get("out", "stopped/w") == b"kept"  # type: ignore[attr-defined]


async def test_stop_kills_after_the_grace(bench: Bench) -> None:
    job = script("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)")
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    await eventually(lambda: "up" in bench.log(job))
    await bench.compute.stop(job.id, grace=0.5)
    exited = exit_of(await bench.until(job.id, seconds=10))
    assert (exited["Stopped"], exited["ExitCode"]) == (True, 137)


async def test_forget_ends_a_running_job_and_leaves_nothing(bench: Bench) -> None:
    job = sleeper(f"forget-{os.getpid()}-{next(ids)}")
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    await eventually(lambda: bool(alive(job.id)))
    await bench.compute.forget(job.id)
    await eventually(lambda: not alive(job.id))
    assert not [path for path in (bench.config.data / "jobs").iterdir() if job.id in path.name]
    assert job.id not in Path("/proc/self/mountinfo").read_text()
    assert await bench.compute.reports(job.id) == []
    await bench.compute.forget(job.id)


async def test_nothing_of_a_killed_agent_with_limits_is_left(bench: Bench) -> None:
    job = task(f"limited-{next(ids)}", ["/bin/sleep", "60"], limits=Limits(memory=2**30))
    await bench.compute.submit(job)
    await bench.until(job.id, "Started")
    note = bench.config.data / "jobs" / job.id / "cgroups"
    groups = [Path(line) for line in note.read_text().splitlines()]
    assert all(group.is_dir() for group in groups)

    os.kill(agent_of(bench, job), signal.SIGKILL)
    await bench.until(job.id)
    await bench.compute.forget(job.id)
    assert not any(group.exists() for group in groups)


async def test_what_a_killed_server_was_deleting_goes_with_the_next_start(bench: Bench) -> None:
    await bench.compute.close()
    data = bench.config.data
    left = [data / "jobs/.gone-1", socket_folder(data) / ".gone-2", data / "volumes/.gone-3"]
    for folder in left:
        (folder / "ml" / "model").mkdir(parents=True)
        (folder / "ml" / "model" / "weights").touch()
        (folder / "ml").chmod(0)
    await bench.compute.open()
    await eventually(lambda: not any(folder.exists() for folder in left))

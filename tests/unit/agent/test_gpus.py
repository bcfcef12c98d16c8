"""GPUs by a stand-in for NVIDIA's library: found, shared out, shown to sandboxes, measured. With a real one: the group ``gpu``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sagewright.agent import gpus
from sagewright.agent.gpus import Allotment, Gpu
from sagewright.resources import instances
from sagewright.testing.gpus import stand_in

pytestmark = pytest.mark.xdist_group("gpus")

def said(folder: Path, code: str) -> Any:
    """What Python code prints as JSON, in a process that finds the stand-in first."""
    program = "import json\nfrom pathlib import Path\nfrom sagewright.agent.gpus import *\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_the_library_says(tmp_path: Path) -> None:
    found = said(stand_in(tmp_path), "print(json.dumps([[g.index, g.uuid, g.name, g.memory, g.minor] for g in discover()]))")
    assert found == [[0, "GPU-fake-0", "Fake 0", 1000, 70], [1, "GPU-fake-1", "Fake 1", 1000, 71]]


@pytest.mark.parametrize("given", [{"broken": 9}, {"count": 0}])
def test_a_driver_without_gpus(tmp_path: Path, given: dict[str, int]) -> None:
    assert said(stand_in(tmp_path, **given), "print(json.dumps([len(discover()), take(1, Path('.')).notes]))") == [
        0, ["WARNING: This instance type has 1 GPU; this machine has none. The job runs on its processors."]]


def test_tasks_get_free_gpus_first_then_share(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    found = said(stand_in(tmp_path, count=3), f"""
        place = Path({str(tmp_path / 'locks')!r})
        held = [take(1, place), take(1, place), take(2, place), take(9, place)]
        print(json.dumps([[[g.index for g in a.gpus], a.shared, a.notes] for a in held]))
    """)
    assert [(of, shared) for of, shared, _ in found[:2]] == [([0], []), ([1], [])]
    assert found[2][0] in ([0, 2], [1, 2])
    assert found[2][1] == [found[2][0][0]]
    assert found[2][2] == [f"WARNING: other jobs use GPU {found[2][1][0]} at the same time."]
    assert found[3][0] == [0, 1, 2]
    assert found[3][2][0] == "WARNING: This instance type has 9 GPUs; this machine has 3. The job runs with 3."


def test_a_gpu_is_free_again_when_its_agent_has_gone(tmp_path: Path) -> None:
    place = stand_in(tmp_path)
    code = f"a = take(2, Path({str(tmp_path)!r})); print(json.dumps([[g.index for g in a.gpus], a.shared]))"
    assert said(place, code) == said(place, code) == [[0, 1], []]


def test_usage_is_the_sum(tmp_path: Path) -> None:
    assert said(stand_in(tmp_path), "print(json.dumps(take(2, Path('/tmp')).usage()))") == {
        "GPUUtilization": 30.0 + 31.0, "GPUMemoryUtilization": 25.0 + 50.0}
    assert said(stand_in(tmp_path, rates=0), "print(json.dumps(take(2, Path('/tmp')).usage()))") == {}


def test_no_driver_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "LIBRARY", "libnvidia-ml-that-nobody-has.so.1")
    assert gpus.discover() == []
    assert gpus.take(0).notes == []


def gpu(index: int) -> Gpu:
    return Gpu(index, f"GPU-{index}", "A", 1, index + 4)


def test_the_sandbox_gets_the_devices_of_its_gpus_alone() -> None:
    spec: dict[str, Any] = {"env": {"NVIDIA_VISIBLE_DEVICES": "all", "A": "b"}, "binds": []}
    Allotment(2, [gpu(1), gpu(3)]).show(spec, {"A": "b"})
    assert spec["devices"] == ["nvidia5", "nvidia7", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"]
    assert spec["env"] == {"NVIDIA_VISIBLE_DEVICES": "GPU-1,GPU-3", "CUDA_VISIBLE_DEVICES": "0,1", "A": "b"}


def test_a_job_that_asks_for_gpus_that_are_not_there_sees_none() -> None:
    spec: dict[str, Any] = {"env": {}, "binds": []}
    Allotment(1).show(spec, {"CUDA_VISIBLE_DEVICES": "mine"})
    assert (spec["devices"], spec["env"]) == ([], {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": "mine"})


def test_a_job_that_asks_for_none_is_left_alone() -> None:
    spec: dict[str, Any] = {"env": {}, "binds": []}
    Allotment(0).show(spec, {})
    assert spec == {"env": {}, "binds": []}


@pytest.mark.parametrize(("name", "count"), [
    ("ml.g5.xlarge", 1), ("ml.g5.16xlarge", 1), ("ml.g5.12xlarge", 4), ("ml.g5.48xlarge", 8), ("ml.g4dn.12xlarge", 4),
    ("ml.p3.2xlarge", 1), ("ml.p3.16xlarge", 8), ("ml.p4d.24xlarge", 8), ("ml.p5.4xlarge", 1), ("ml.p5.48xlarge", 8),
    ("ml.p6-b200.48xlarge", 8), ("ml.p2.16xlarge", 16), ("ml.m5.24xlarge", 0), ("ml.c5.xlarge", 0), ("local", 0),
])
def test_gpus_of_an_instance_type(name: str, count: int) -> None:
    assert instances.instance(name).gpus == count


def test_capacity_counts_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "machine", lambda: instances.Instance(96, 2**40))
    assert instances.shortage(("ml.g5.xlarge", 2)) == (
        "2 x ml.g5.xlarge needs 8 cores and 32 GiB and 2 GPUs; this machine has 96 cores and 1024 GiB")
    assert instances.shortage(("ml.g5.xlarge", 2), gpus=1).endswith("has 96 cores and 1024 GiB and 1 GPU")
    assert instances.shortage(("ml.g5.xlarge", 2), gpus=2) == ""


@pytest.mark.gpu
@pytest.mark.skipif(not gpus.discover(), reason="no GPU here")
def test_a_real_gpu_is_found_and_measured() -> None:
    found = gpus.discover()
    assert found
    for one in found:
        assert one.name
        assert one.memory > 2**30
        assert Path(f"/dev/nvidia{one.minor}").exists()
    allotment = gpus.take(1)
    assert set(allotment.usage()) == {"GPUUtilization", "GPUMemoryUtilization"}
    assert any(path.name.startswith("libcuda") for path in gpus.driver())

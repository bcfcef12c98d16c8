"""Jobs of GPU instance types: with a stand-in for NVIDIA's library, without one, and with the real thing (group ``gpu``)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.agent.gpus import discover
from sagewright.testing.gpus import stand_in
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

pytestmark = pytest.mark.xdist_group("gpus")  # the stand-in's GPUs are the machine's, as real ones are
ONE = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
SHOW = """
import json, os
seen = {k: v for k, v in os.environ.items() if 'VISIBLE_DEVICES' in k}
print(json.dumps({'env': seen, 'dev': sorted(n for n in os.listdir('/dev') if n.startswith('nvidia'))}))
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder = stand_in(tmp_path_factory.mktemp("nvml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(folder))
        with TestServer(tmp_path_factory.mktemp("gpus") / "data", {"capacity": "strict"}) as running:
            yield Jobs(running)


def lines(jobs: Jobs, **more: Any) -> list[str]:
    name = jobs.train(more.pop("code", SHOW), **more)
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{jobs.log(name)}"
    return jobs.log(name).splitlines()


@pytest.mark.skipif(bool(discover()), reason="there is a GPU here")
def test_a_machine_without_gpus_runs_the_job_and_says_so(server: TestServer) -> None:
    warning, shown = lines(Jobs(server, "no-gpus"), ResourceConfig={**ONE, "InstanceType": "ml.g5.12xlarge"})
    assert warning == "WARNING: This instance type has 4 GPUs; this machine has none. The job runs on its processors."
    assert json.loads(shown) == {"env": {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}, "dev": []}


def test_a_job_of_a_cpu_instance_sees_no_gpu(fake: Jobs) -> None:
    (shown,) = lines(fake, ResourceConfig={**ONE, "InstanceType": "ml.t3.medium"})
    assert json.loads(shown) == {"env": {}, "dev": []}


def test_strict_capacity_counts_gpus(fake: Jobs) -> None:
    job = fake.ended(fake.train("print(1)", ResourceConfig={**ONE, "InstanceType": "ml.p3.16xlarge"}))
    assert job["FailureReason"].startswith("CapacityError: ")
    assert "8 GPUs" in job["FailureReason"]
    assert "2 GPUs" in job["FailureReason"].split("this machine has")[1]


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder = stand_in(tmp_path_factory.mktemp("nvml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(folder))
        with TestServer(tmp_path_factory.mktemp("gpus") / "data") as running:
            yield Jobs(running)


def test_a_job_gets_its_gpus_and_their_metrics(lenient: Jobs) -> None:
    # long enough for a sample of its use
    name = lenient.train(SHOW + "import time\ntime.sleep(3)", ResourceConfig={**ONE, "InstanceType": "ml.g5.12xlarge"})
    assert lenient.ended(name)["TrainingJobStatus"] == "Completed"
    warning, shown = lenient.log(name).splitlines()
    assert warning == "WARNING: This instance type has 4 GPUs; this machine has 2. The job runs with 2."
    assert json.loads(shown)["env"] == {"NVIDIA_VISIBLE_DEVICES": "GPU-fake-0,GPU-fake-1", "CUDA_VISIBLE_DEVICES": "0,1"}
    cloudwatch = lenient.server.client("cloudwatch")
    for metric, value in (("GPUUtilization", 61.0), ("GPUMemoryUtilization", 75.0)):
        found = cloudwatch.get_metric_statistics(
            Namespace="/aws/sagemaker/TrainingJobs", MetricName=metric, Dimensions=[{"Name": "Host", "Value": f"{name}/algo-1"}],
            StartTime=time.time() - 600, EndTime=time.time() + 60, Period=60, Statistics=["Maximum"],
        )["Datapoints"]
        assert {point["Maximum"] for point in found} == {value}, "one point, or two where a minute ended meanwhile"


def test_hosts_of_a_job_get_one_each(lenient: Jobs) -> None:
    code = SHOW + """
import time
from pathlib import Path
# both hold theirs at once
import socket
me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
if me == 'algo-1':
    socket.create_server(('', 7777)).accept()
else:
    while True:
        try:
            socket.create_connection(('algo-1', 7777))
            break
        except ConnectionRefusedError:
            time.sleep(0.01)
"""
    name = lenient.train(code, ResourceConfig={**ONE, "InstanceCount": 2})
    assert lenient.ended(name)["TrainingJobStatus"] == "Completed", lenient.log(name)
    got = [json.loads(line)["env"] for line in lenient.log(name).splitlines()]
    assert sorted(one["NVIDIA_VISIBLE_DEVICES"] for one in got) == ["GPU-fake-0", "GPU-fake-1"]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in got} == {"0"}


CUDA = """
import ctypes, os
cuda = ctypes.CDLL('libcuda.so.1')
assert cuda.cuInit(0) == 0, cuda.cuInit(0)
count, device, context, pointer = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
assert cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device) == 0
assert cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(2**30)) == 0
assert cuda.cuMemsetD32_v2(pointer, 42, ctypes.c_size_t(2**28)) == 0
back = (ctypes.c_uint32 * 4)()
assert cuda.cuMemcpyDtoH_v2(back, pointer, ctypes.c_size_t(16)) == 0
print(count.value, list(back), os.getuid() != 0)
"""


@pytest.mark.gpu
@pytest.mark.skipif(not discover(), reason="no GPU here")
def test_a_real_gpu_computes_inside_a_sandbox(server: TestServer, tmp_path: Path) -> None:
    jobs = Jobs(server, "real-gpus")
    assert lines(jobs, code=CUDA, ResourceConfig=ONE)[-1] == "1 [42, 42, 42, 42] True"
    name = jobs.train(CUDA, ResourceConfig={**ONE, "InstanceType": "ml.m5.large"})
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Failed", "no device without a GPU instance"

"""All-reduce between two hosts of a training job, against the same two processes without any job, over plain loopback.

    python benchmarks/allreduce.py [--image URI] [--rounds 3]

torch.distributed with gloo, which is what DDP uses without GPUs. The job's hosts are network namespaces joined by a
bridge; the ratio is what that costs. Without a built PyTorch image this says so and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.stores.images import Image, UnknownImage
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

REPOSITORY = Path(__file__).parent.parent
SIZES = {"64 KiB": 2**16, "1 MiB": 2**20, "64 MiB": 2**26}
CODE = """
import json, os, time
import torch, torch.distributed as dist
torch.set_num_threads(1)
rank, world = int(os.environ['RANK']), 2
dist.init_process_group('gloo', rank=rank, world_size=world)
found = {}
for name, size in SIZES.items():
    tensor = torch.ones(size // 4)
    for _ in range(3):
        dist.all_reduce(tensor)
    tensor.fill_(1)
    count = max(5, min(200, 2**28 // size))
    dist.barrier()
    began = time.perf_counter()
    for _ in range(count):
        dist.all_reduce(tensor)
        tensor.div_(world)
    dist.barrier()
    found[name] = (time.perf_counter() - began) / count
    assert tensor[0] == 1
if rank == 0:
    print('SAID', json.dumps(found), flush=True)
dist.destroy_process_group()
""".replace("SIZES.items()", f"{SIZES!r}.items()")
IN_JOB = """
config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
os.environ.update(RANK=str(config['hosts'].index(config['current_host'])), MASTER_ADDR=config['hosts'][0], MASTER_PORT='7777',
                  GLOO_SOCKET_IFNAME=config['network_interface_name'])
"""


def said(text: str) -> dict[str, float]:
    line = next((line for line in text.splitlines() if line.startswith("SAID")), None)
    if line is None:
        raise SystemExit(text)
    found: dict[str, float] = json.loads(line[5:])
    return found


def plain(python: Path) -> dict[str, float]:
    """The two processes side by side on this machine's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    both = [
        subprocess.Popen([python, "-c", CODE], env={**env, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in (0, 1)
    ]
    first = both[0].communicate()[0]
    both[1].communicate()
    return said(first)


def in_job(jobs: Jobs, image: str) -> dict[str, float]:
    """The same on the two hosts of a job."""
    head, rest = CODE.split("import torch", 1)
    name = jobs.train(
        head + IN_JOB + "import torch" + rest, image=image,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    job = jobs.ended(name, 300)
    if job["TrainingJobStatus"] != "Completed":
        raise SystemExit(f"{job['FailureReason']}\n{jobs.log(name)}")
    return said(jobs.log(name))


def built(uri: str) -> Image | None:
    """The image, if its environment is built."""
    environments = os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(REPOSITORY / ".cache" / "environments"))
    catalogue = images(Settings.load(environ={"SAGEWRIGHT_ENVIRONMENTS": environments}))
    try:
        image = catalogue.resolve(uri)
    except UnknownImage:
        return None
    return image if catalogue.ready(image) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="pytorch-training:2.13.0", help="one that has PyTorch and is built")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    uri, image = given.image, built(given.image)
    if image is None:
        print(f"skipped: {uri} is not built here; `sagewright images pull {uri}` builds it")
        return
    with tempfile.TemporaryDirectory(prefix="sagewright-") as folder, TestServer(Path(folder) / "data") as server:
        jobs = Jobs(server)
        pairs = [(plain(image.python), in_job(jobs, uri)) for _ in range(given.rounds)]
    print(f"{uri}, two processes of one thread each, median of {given.rounds} rounds in turn")
    print(f"{'all-reduce of':>14}  {'loopback':>10}  {'two hosts':>10}  {'of loopback':>11}")
    for name, size in SIZES.items():
        loop, hosts = (statistics.median(pair[at][name] for pair in pairs) for at in (0, 1))
        rates = [size / seconds / 2**20 for seconds in (loop, hosts)]
        print(f"{name:>14}  {rates[0]:>6.0f} MiB/s  {rates[1]:>4.0f} MiB/s  {100 * rates[1] / rates[0]:>9.0f} %")


if __name__ == "__main__":
    sys.exit(main())

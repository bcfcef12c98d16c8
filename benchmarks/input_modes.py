"""Input modes: how fast a job reads what it is given, and how soon it starts, through the public API of servers that this starts.

    python benchmarks/input_modes.py [--mib 1024] [--runs 3] [--objects 100000] [--large-gib 10]

The same reading program runs over the same bytes: outside of any job on the plain disk, in a job in File and in FastFile
mode, with the objects in the embedded store and in another server's S3 (there FastFile is a file system that the agent
serves), and from a pipe. Sequential: whole files, 1 MiB at a time. Random: 4 KiB and 128 KiB at random places. Cached: the files are in
the machine's page cache; cold: they were dropped from it before. Ratios matter, absolutes drift.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sagewright.adapters.directory import DirectoryObjects
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

MIB = 2**20
READER = textwrap.dedent("""
    import json, os, random, sys, time
    def sequential(paths):
        buffer, total, begin = bytearray(2**20), 0, time.perf_counter()
        for path in paths:
            with open(path, 'rb', buffering=0) as file:
                while count := file.readinto(buffer):
                    total += count
        return total / 2**20 / (time.perf_counter() - begin)
    def at_random(paths, size, seconds, seed):
        files = [(os.open(path, os.O_RDONLY), os.path.getsize(path)) for path in paths]
        chance, count, begin = random.Random(seed), 0, time.perf_counter()
        for fd, _ in files:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        while time.perf_counter() - begin < seconds:
            fd, length = chance.choice(files)
            assert len(os.pread(fd, size, chance.randrange(0, length - size))) == size
            count += 1
        return count / (time.perf_counter() - begin)
    what, where = sys.argv[1], sys.argv[2]
    paths = [where] if what == 'pipe' else sorted(os.path.join(where, name) for name in os.listdir(where))
    if what in ('pipe', 'sequential'):
        print('SAID', sequential(paths), flush=True)
    else:
        size, seconds, seed = map(int, what.split(':')[1:])
        print('SAID', at_random(paths, size, seconds, seed), flush=True)
""")
FIRST = "import os, time\nprint('SAID', time.time(), len(os.listdir('/opt/ml/input/data/train')), flush=True)\n"
DATA = "bench"
"""The bucket of everything that is read; it is the same one on both servers."""
SECONDS = 2
"""Of each series of random reads."""


def said(text: str) -> list[float]:
    return [float(word) for word in next(line for line in text.splitlines() if line.startswith("SAID")).split()[1:]]


class Place:
    """A server with the data in its store, or in another's."""

    def __init__(self, server: TestServer, bucket: str) -> None:
        self.server = server
        self.jobs = Jobs(server, bucket)
        self.code = self.jobs.put("code/main.py", READER).removesuffix("main.py")

    def read(self, mode: str, what: str, key: str) -> float:
        channel = self.jobs.channel("train", f"s3://{DATA}/{key}") | {"InputMode": mode}
        where = "/opt/ml/input/data/train" + ("_0" if mode == "Pipe" else "")
        name = self.jobs.train(
            AlgorithmSpecification={"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
                                    "ContainerArguments": ["pipe" if mode == "Pipe" else what, where]},
            InputDataConfig=[self.jobs.channel("code", self.code) | {"InputMode": "File"}, channel],
        )  # fmt: skip
        return said(self._log(name))[0]

    def start(self, mode: str, key: str) -> tuple[float, int]:
        """Seconds from the answered request to the first line of a job over a channel; how many names are in it."""
        code = self.jobs.put("first/main.py", FIRST).removesuffix("main.py")
        channel = self.jobs.channel("train", f"s3://{DATA}/{key}") | {"InputMode": mode}
        name = self.jobs.train(
            AlgorithmSpecification={"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"]},
            InputDataConfig=[self.jobs.channel("code", code) | {"InputMode": "File"}, channel],
        )
        answered = time.time()
        first, count = said(self._log(name))
        return first - answered, int(count)

    def _log(self, name: str) -> str:
        job = self.jobs.ended(name, 900)
        if job["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name}: {job['FailureReason']}\n{self.jobs.log(name)}")
        return self.jobs.log(name)


def plain(what: str, folder: Path) -> float:
    """The reading program outside of any job, by this interpreter."""
    done = subprocess.run([sys.executable, "-c", READER, what, str(folder)], capture_output=True, text=True, check=True)
    return said(done.stdout)[0]


def drop(folder: Path) -> None:
    """Have the kernel forget the cached pages of the files."""
    os.sync()
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def fill(objects: DirectoryObjects, bucket: str, key: str, mib: int) -> None:
    """Files of 64 MiB."""
    block = random.Random(1).randbytes(MIB)
    for number in range(max(1, mib // 64)):
        writer = objects.writer(bucket, f"{key}{number:03d}")
        for _ in range(min(64, mib)):
            writer.write(block)
        writer.commit()


def sparse(objects: DirectoryObjects, bucket: str, key: str, gib: int, folder: Path) -> None:
    """Objects of 1 GiB that take no space."""
    for number in range(gib):
        path = folder / f"sparse-{number}"
        with path.open("wb") as file:
            file.truncate(2**30)
        objects.put_file(bucket, f"{key}{number}", path, move=True)


def many(objects: DirectoryObjects, bucket: str, key: str, count: int) -> None:
    for number in range(count):
        writer = objects.writer(bucket, f"{key}{number:07d}")
        writer.write(b"one small object\n")
        writer.commit()


def throughput(embedded: Place, external: Place, files: Path, runs: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    kinds = [("sequential MiB/s", "sequential"), ("random 4 KiB reads/s", f"random:4096:{SECONDS}:1"),
             ("random 128 KiB reads/s", f"random:131072:{SECONDS}:2")]  # fmt: skip
    for cache in ("cached", "cold"):
        for title, what in kinds:
            row = found[f"{title}, {cache}"] = {}
            ways = {
                "plain disk": lambda what=what: plain(what, files),
                "File": lambda what=what: embedded.read("File", what, "set/"),
                "FastFile": lambda what=what: embedded.read("FastFile", what, "set/"),
                "FastFile, other S3": lambda what=what: external.read("FastFile", what, "set/"),
            }
            if what == "sequential":
                ways |= {"Pipe": lambda: embedded.read("Pipe", "", "set/"), "Pipe, other S3": lambda: external.read("Pipe", "", "set/")}
            for name, way in ways.items():
                values = []
                for _ in range(runs):
                    if cache == "cold":
                        drop(files)
                    values.append(way())
                row[name] = round(statistics.median(values), 1)
            first = row["plain disk"]
            print(f"{title + ', ' + cache:<34}" + "   ".join(f"{name} {value:.0f} ({value / first:.2f})" for name, value in row.items()), flush=True)
    return found


def starts(place: Place, what: dict[str, tuple[str, str]]) -> dict[str, float]:
    found = {}
    for title, (mode, key) in what.items():
        seconds, count = place.start(mode, key)
        found[title] = round(seconds, 3)
        print(f"{title:<44} first line after {seconds:8.3f} s   ({count} names)", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the set that is read")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--objects", type=int, default=100_000, help="objects of the channel with many; 0 leaves it out")
    parser.add_argument("--large-gib", type=int, default=10, help="size of the sparse channel; 0 leaves it out")
    given = parser.parse_args()
    os.environ.setdefault("SAGEWRIGHT_ENVIRONMENTS", str(Path(__file__).parent.parent / ".cache" / "environments"))
    result: dict[str, Any] = {"load_average": os.getloadavg(), "processors": os.cpu_count(), "mib": given.mib}
    with tempfile.TemporaryDirectory(prefix="sw-") as folder, TestServer(Path(folder) / "data") as server:
        embedded = Place(server, DATA)
        keys = server.credentials()
        url = server.url.replace("://", f"://{quote(keys['access_key'], safe='')}:{quote(keys['secret_key'], safe='')}@")
        with TestServer(Path(folder) / "other", {"objects": url}) as other:
            external = Place(other, "bench-other")
            objects = DirectoryObjects(server.data / "objects")
            fill(objects, DATA, "set/", given.mib)
            result["throughput"] = throughput(embedded, external, server.data / f"objects/buckets/{DATA}/set", given.runs)
            if given.large_gib:
                sparse(objects, DATA, "large/", given.large_gib, Path(folder))
                size = f"{given.large_gib} GiB"
                result |= starts(embedded, {f"File, {size}": ("File", "large/"), f"FastFile, {size}": ("FastFile", "large/")})
                result |= starts(external, {f"FastFile, {size}, other S3": ("FastFile", "large/")})
            if given.objects:
                many(objects, DATA, "many/", given.objects)
                size = f"{given.objects} objects"
                result |= starts(embedded, {f"FastFile, {size}": ("FastFile", "many/"), f"File, {size}": ("File", "many/")})
                result |= starts(external, {f"FastFile, {size}, other S3": ("FastFile", "many/")})
            objects.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

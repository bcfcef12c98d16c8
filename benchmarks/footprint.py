"""What a server costs when it does nothing, and what it takes to get one.

    python benchmarks/footprint.py [--install]

Prints time from ``sagewright up`` to the first answered request (the first ever compiles all Python code and makes the
data directory), memory and CPU of every process of an idle server, the time of ``sagewright --help``, and with
``--install`` the size of a fresh environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

MIB = 1 << 20
IDLE = 10.0
ROOT = Path(__file__).parent.parent


def ready(data: Path) -> tuple[float, subprocess.Popen[bytes]]:
    """Start a server; seconds until its health endpoint has answered."""
    state = data / "server.json"
    state.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sagewright", "up", "--port", "0", "--data", str(data)], stdout=subprocess.DEVNULL, env=environment(data)
    )
    while not state.exists():
        if process.poll() is not None:
            raise SystemExit("the server did not start")
        time.sleep(0.002)  # another program: its file is all there is to wait on
    with urllib.request.urlopen(json.loads(state.read_text())["url"] + "/_sagewright/health", timeout=10) as answer:
        answer.read()
    return time.perf_counter() - began, process


def environment(data: Path) -> dict[str, str]:
    """This one, with Python's byte code kept as it is by default; of its own, so that the first start has none."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environ, "PYTHONPYCACHEPREFIX": str(data.parent / "bytecode")}


def family(data: Path, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Every process that works for a data directory."""
    found = {process.pid: psutil.Process(process.pid)}
    for one in psutil.process_iter(["cmdline"]):
        if any(str(data) in word for word in one.info["cmdline"] or ()):
            found[one.pid] = one
    return list(found.values())


def memory(one: psutil.Process) -> tuple[float, float]:
    """Resident and proportional MiB; pages that processes share count in full in the first, by their share in the second."""
    full = one.memory_full_info()
    return full.rss / MIB, getattr(full, "pss", full.rss) / MIB


def cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def server() -> None:
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder:
        data = Path(folder) / "data"
        for name in ("first ever start", "second start", "third start"):
            seconds, process = ready(data)
            print(f"{name:<22}{seconds:8.2f} s to the first answer   (target 2 s)")
            if name != "third start":
                process.terminate()
                process.wait()
        try:
            time.sleep(2)
            processes = family(data, process)
            before = cpu(processes)
            time.sleep(IDLE)
            used = cpu(processes) - before
            rows = [(*memory(one), " ".join(one.cmdline()[1:4])) for one in processes]
            for rss, pss, name in rows:
                print(f"idle process          {rss:8.1f} MiB resident, {pss:.1f} proportional: {name}")
            total = sum(row[0] for row in rows)
            print(f"idle memory           {total:8.1f} MiB resident in all, {sum(r[1] for r in rows):.1f} proportional (target 150)")
            print(f"idle CPU              {used / IDLE:8.2%} of one core")
        finally:
            process.terminate()
            process.wait()


def help_time() -> None:
    times = []
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder:
        for _ in range(9):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "sagewright", "--help"], stdout=subprocess.DEVNULL, check=True,
                env=environment(Path(folder) / "data"),
            )
            times.append(time.perf_counter() - began)
    print(f"sagewright --help     {statistics.median(times):8.2f} s   (target 0.3 s)")


def install() -> None:
    """Size of a new environment after ``pip install .``; needs the package index."""
    with tempfile.TemporaryDirectory(prefix="sagewright-bench-") as folder:
        venv = Path(folder) / "venv"
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, venv], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--link-mode", "copy", "--python", venv, ROOT], check=True)
        sizes: dict[str, int] = {}
        total = 0
        for folder_, _, files in os.walk(venv):
            for file in files:
                size = (Path(folder_) / file).lstat().st_size
                total += size
                parts = (Path(folder_) / file).relative_to(venv).parts
                name = parts[3] if parts[0].startswith("lib") and len(parts) > 3 else parts[0]
                sizes[name] = sizes.get(name, 0) + size
        print(f"installed             {total / MIB:8.1f} MiB   (target 150)")
        for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
            print(f"    {name:<20}{size / MIB:6.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="also measure a fresh environment")
    given = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where uv is
    server()
    help_time()
    if given.install:
        install()


if __name__ == "__main__":
    main()

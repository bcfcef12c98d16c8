"""Check that this machine can run a server and its jobs; each finding comes with its remedy."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ...settings import Settings
from ..output import as_json, duration, size, styled
from ..place import Place, data_argument, healthy, json_argument, load

NAME, HELP = "doctor", "check that this machine can run a server and its jobs"
LOW_DISK = 5 * 2**30
MARKS = {"ok": ("green", "ok  "), "warn": ("yellow", "warn"), "fail": ("red", "FAIL")}


@dataclass(frozen=True, slots=True)
class Finding:
    level: str
    """ok, warn (works, but) or fail (the server or its jobs cannot run)."""
    name: str
    says: str
    remedy: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)


def run(given: argparse.Namespace) -> int:
    place = Place.of(given)
    settings = load(data=str(place.data))
    found = []
    for finding in examine(place, settings):
        found.append(finding)
        if not given.json:
            style, mark = MARKS[finding.level]
            print(f"{styled(mark, style)}  {finding.name:<12} {finding.says}")
            if finding.remedy:
                print(f"{'':<18}→ {finding.remedy}", flush=True)
    if given.json:
        as_json([asdict(f) for f in found])
    return 1 if any(f.level == "fail" for f in found) else 0


def examine(place: Place, settings: Settings) -> Iterator[Finding]:
    """All checks in turn. A check that itself breaks is a finding, not a crash."""
    checks: list[Callable[[Place, Settings], Iterator[Finding]]] = [
        check_python, check_sandbox, check_gpus, check_cgroups, check_disk, check_server, check_uv, check_interpreters, check_tls,
        check_records, check_clock,
    ]
    for check in checks:
        try:
            yield from check(place, settings)
        except Exception as error:
            yield Finding("fail", check.__name__.removeprefix("check_"), f"{type(error).__name__}: {error}")


def check_python(place: Place, settings: Settings) -> Iterator[Finding]:
    said = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.platform != "linux":
        yield Finding("fail", "python", f"{said} on {sys.platform}", "Jobs run in Linux namespaces; use a Linux machine or virtual machine.")
    else:
        yield Finding("ok", "python", said)


def check_sandbox(place: Place, settings: Settings) -> Iterator[Finding]:
    """Runs the very probe that the server runs."""
    from ...agent.probe import probe

    with tempfile.TemporaryDirectory(prefix="sagewright-doctor-", dir=place.data if place.data.is_dir() else None) as folder:
        can = probe(Path(folder))
    if not can["namespaces"]:
        yield Finding(
            "fail", "sandbox", f"the kernel refuses namespaces: {can.get('reason', 'no reason given')}",
            "As a user: allow them with `sysctl kernel.unprivileged_userns_clone=1` (and kernel.apparmor_restrict_"
            "unprivileged_userns=0 on Ubuntu). In a container: run it privileged or with --security-opt systempaths=unconfined.",
        )
        return
    who = "the server runs as root; jobs as an unprivileged user" if os.getuid() == 0 else f"rootless, as user {os.getuid()}"
    yield Finding("ok", "sandbox", f"user, mount, process and network namespaces ({who})")
    if can["network"]:
        yield Finding("ok", "clusters", "hosts of a job get a network of their own")
    else:
        yield Finding(
            "warn", "clusters", f"jobs of several hosts cannot run: {can.get('network_reason')}",
            "The kernel needs veth and bridge interfaces: `modprobe veth bridge`, or a kernel built with them.",
        )
    if not can["overlay"]:
        yield Finding("warn", "overlay", "no overlay file system for jobs: packages they install go to their home", "A newer kernel (5.11) allows it; most jobs do not notice.")
    if os.getuid() == 0 and not can["idmap"]:
        yield Finding("warn", "id maps", "no id-mapped mounts: inputs are made readable by changing their modes", "A newer kernel (5.12) and file system allow it.")


def check_gpus(place: Place, settings: Settings) -> Iterator[Finding]:
    from ...agent.gpus import discover

    found = discover()
    said = ", ".join(f"{gpu.name} ({size(gpu.memory)})" for gpu in found)
    yield Finding("ok", "gpus", said or "none: jobs of GPU instance types run on the processors, and their logs say so")


def check_cgroups(place: Place, settings: Settings) -> Iterator[Finding]:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        yield Finding("ok", "cgroups", "version 2")
    elif Path("/sys/fs/cgroup/memory").is_dir():
        yield Finding("ok", "cgroups", "version 1")
    else:
        yield Finding("warn", "cgroups", "none visible", "Memory limits of jobs are kept by watching their use instead.")
    import psutil

    memory = psutil.virtual_memory()
    yield Finding("ok", "memory", f"{size(memory.available)} of {size(memory.total)} available, {os.cpu_count()} processors")


def check_disk(place: Place, settings: Settings) -> Iterator[Finding]:
    folder = place.data
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding("fail", "disk", f"{folder} cannot be written by this user", "Give another directory with --data.")
        return
    free = shutil.disk_usage(folder).free
    said = f"{size(free)} free at {folder}"
    if free < LOW_DISK:
        yield Finding("warn", "disk", said, "Environments of images take 0.2 to 1 GiB each; free some space.")
    else:
        yield Finding("ok", "disk", said)


def check_server(place: Place, settings: Settings) -> Iterator[Finding]:
    found = place.running()
    if found is not None:
        if healthy(found.local_url):
            yield Finding("ok", "server", f"answers at {found.url}, up {duration(time.time() - found.started)}")
        else:
            yield Finding("fail", "server", f"pid {found.pid} runs but {found.url} does not answer", f"See {place.data / 'server.log'}; restart with sagewright down and up.")
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            yield Finding("fail", "port", f"{settings.host}:{settings.port}: {error.strerror}", "Stop what uses it, or start with --port 0 for a free one.")
            return
    yield Finding("ok", "port", f"{settings.host}:{settings.port} is free (no server runs on {place.data})")


def check_uv(place: Place, settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("uv") or shutil.which("uv"):
        yield Finding("ok", "uv", "builds the images' environments")
    else:
        yield Finding("fail", "uv", "is not installed", "pip install uv")


def check_interpreters(place: Place, settings: Settings) -> Iterator[Finding]:
    from ...agent.interpreters import installed
    from ...bootstrap.agent import images

    found = installed()
    said = ", ".join(f"{major}.{minor}" for major, minor in sorted(found)) or "none"
    yield Finding("ok", "interpreters", f"Python {said} for images; uv fetches others when an image needs one")
    catalogue = images(settings)
    every = catalogue.all()
    ready = sum(catalogue.ready(image) for image in every)
    yield Finding("ok", "images", f"{len(every)} declared, {ready} built; the others are built at their first use")


def check_tls(place: Place, settings: Settings) -> Iterator[Finding]:
    if not settings.tls:
        yield Finding("ok", "tls", "switched off by the settings")
        return
    path = Path(settings.certificate) if settings.certificate else place.data / "tls" / "server.pem"
    if not path.exists():
        level, remedy = ("fail", "Give the right path in SAGEWRIGHT_CERTIFICATE.") if settings.certificate else ("ok", "")
        yield Finding(level, "tls", f"{path} does not exist" if settings.certificate else "a certificate is made at the first start", remedy)
        return
    from cryptography import x509

    left = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp() - time.time()
    if left < 0:
        yield Finding("fail", "tls", f"{path} has expired", "Replace it; a generated one is renewed at the next start.")
    else:
        yield Finding("ok" if left > 14 * 86_400 else "warn", "tls", f"{path} is valid for {duration(left)}")


def check_records(place: Place, settings: Settings) -> Iterator[Finding]:
    if settings.records:
        yield Finding("ok", "records", "PostgreSQL, by the settings")
        return
    path = place.data / "records.sqlite"
    if not path.exists():
        yield Finding("ok", "records", "made at the first start")
        return
    import sqlite3

    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        said = db.execute("PRAGMA quick_check").fetchone()[0]
    finally:
        db.close()
    if said == "ok":
        yield Finding("ok", "records", f"{path} is sound, {size(path.stat().st_size)}")
    else:
        yield Finding("fail", "records", f"{path}: {said}", "Restore the last backup into a new directory: sagewright restore FILE --data DIR")


def check_clock(place: Place, settings: Settings) -> Iterator[Finding]:
    """Signatures carry the time; a clock that is far off makes every request of another machine fail."""
    now = time.time()
    if now < 1_735_689_600:
        yield Finding("fail", "clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)), "Set the clock: signatures are refused when it is off by more than 15 minutes.")
    else:
        yield Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))



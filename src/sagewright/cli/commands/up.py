"""Start the server. Everything it keeps is in the data directory; SAGEWRIGHT_<NAME> sets what no option does."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from ...settings import Settings
from ..output import Problem, Progress, styled
from ..place import LOG, Place, Running, healthy, load

NAME, HELP = "up", "start the server"
READY = 60.0
"""Seconds that a detached server may take to answer."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detach", "-d", action="store_true", help="return once the server answers; its log goes to DATA/server.log")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"], help="what the server's log holds (default: %(default)s)")
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    settings = parser.add_argument_group("settings")
    for field in fields(Settings):
        default: Any = field.default
        shown = f" (default: {default})" if default not in ("", None) else ""
        settings.add_argument(
            f"--{field.name.replace('_', '-')}", dest=field.name, metavar=type(default).__name__.replace("Posix", "").upper(),
            help=field.metadata["help"].replace("%", "%%") + shown,
        )


def run(given: argparse.Namespace) -> int:
    values = {f.name: getattr(given, f.name) for f in fields(Settings)}
    settings = load(**values)
    place = Place(settings.data)
    return detach(place, given) if given.detach else serve(place, load(**{**values, "data": str(place.data)}), given)


def serve(place: Place, settings: Settings, given: argparse.Namespace) -> int:
    """In the foreground, until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=given.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from ...bootstrap import server

    def started(running: Any) -> None:
        if given.ready_fd is not None:
            os.write(given.ready_fd, b"ready")
            os.close(given.ready_fd)
            return
        print(banner(running.url, place.data), flush=True)

    with place.hold():
        try:
            server.run(settings, started)
        except server.UnsafeSettings as error:
            raise Problem(str(error)) from None
        except OSError as error:
            if error.errno in (13, 98, 99):
                raise Problem(
                    f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.",
                    "Give another port with --port, or --port 0 for any free one.",
                ) from None
            raise
    return 0


def detach(place: Place, given: argparse.Namespace) -> int:
    """Start ``up`` again in a session of its own and wait until it says that it answers."""
    if (found := place.running()) is not None:
        print(f"already running at {found.url} (pid {found.pid})")
        return 0
    place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = place.data / LOG
    reader, writer = os.pipe()
    argv = [sys.executable, "-m", "sagewright", "up", "--ready-fd", str(writer), "--log-level", given.log_level]
    for field in fields(Settings):
        value = str(place.data) if field.name == "data" else getattr(given, field.name)
        if value is not None:
            argv += [f"--{field.name.replace('_', '-')}", str(value)]
    begun = log.stat().st_size if log.exists() else 0
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[writer], start_new_session=True,
        )
    os.close(writer)
    running = _wait(place, process, reader)
    if running is None:
        raise Problem("the server did not start. Its log says:\n" + _tail(log, begun), f"The whole log: {log}")
    print(banner(running.url, place.data))
    return 0


def _wait(place: Place, process: subprocess.Popen[bytes], reader: int) -> Running | None:
    """What the server says of itself, once it answers; None when it ends or the time is up."""
    progress, begun = Progress(), time.monotonic()
    try:
        while (left := READY - (time.monotonic() - begun)) > 0:
            if select.select([reader], [], [], min(1.0, left))[0]:
                said = os.read(reader, 16)
                found = place.running() if said else None
                return found if found and healthy(found.local_url) else None
            if time.monotonic() - begun > 2:
                progress.step(f"waiting for the server ({time.monotonic() - begun:.0f} s) ...")
        os.killpg(process.pid, signal.SIGTERM)
        return None
    finally:
        progress.done()
        os.close(reader)


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").rstrip().splitlines()
    return "\n".join(f"    {line}" for line in lines[-15:]) or "    (nothing)"


def banner(url: str, data: Path) -> str:
    option = "" if data == Path(".sagewright").absolute() else f" --data {data}"
    return (
        f"Sagewright answers at {styled(url, 'green')}\n"
        f"  data    {data}\n"
        f"  shell   eval \"$(sagewright env{option})\"\n"
        f"  script  sagewright exec{option} -- python your_script.py\n"
        f"  stop    sagewright down{option}"
    )

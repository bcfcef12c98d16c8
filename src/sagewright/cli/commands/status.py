"""Say whether a server runs on the data directory, where, and what it holds."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from ..output import as_json, duration, size, styled, table
from ..place import Place, data_argument, healthy, json_argument

NAME, HELP = "status", "say whether a server runs, where, and what it holds"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)


def run(given: argparse.Namespace) -> int:
    said = look(Place.of(given))
    if given.json:
        as_json(said)
        return 0 if said["running"] else 1
    if not said["running"]:
        print(f"{styled('not running', 'yellow')}  {said['data']}")
        print(f"  start it with: sagewright up --detach --data {said['data']}")
        return 1
    answers = styled("answers", "green") if said["healthy"] else styled("does not answer", "red")
    print(table([
        ("server", f"{said['url']} ({answers})"),
        ("workspaces", said["workspaces"] or "none"),
        ("process", f"{said['pid']}, up {duration(said['uptime'])}, {size(said['memory'])} of memory"),
        ("version", said["version"]),
        ("account", f"{said['account']} in {said['region']}"),
        ("data", f"{said['data']}, {size(said['disk'])}"),
        ("at work", f"{said['tasks']} job hosts and endpoint workers"),
    ]))
    return 0


def look(place: Place) -> dict[str, Any]:
    found = place.running()
    if found is None:
        return {"running": False, "data": str(place.data)}
    import psutil

    return {
        "running": True, "healthy": healthy(found.local_url), "url": found.url, "pid": found.pid,
        "uptime": round(time.time() - found.started, 1), "version": found.version, "region": found.region,
        "account": found.account, "workspaces": found.workspaces, "memory": psutil.Process(found.pid).memory_info().rss, "data": str(place.data),
        "disk": usage(place.data), "tasks": working(place.data),
    }


def usage(folder: Path) -> int:
    """Bytes on disk below a folder; a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                about = Path(where, name).lstat()
            except OSError:
                continue
            if about.st_nlink > 1:
                if (about.st_dev, about.st_ino) in seen:
                    continue
                seen.add((about.st_dev, about.st_ino))
            total += about.st_blocks * 512
    return total


def working(data: Path) -> int:
    """How many tasks have a living agent."""
    from ...agent.layout import Layout

    return sum(Layout(data, spec.parent.name).alive() for spec in (data / "jobs").glob("[!.]*/spec.json"))

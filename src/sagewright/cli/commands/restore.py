"""Make a data directory from a backup. Everything is checked first; an existing directory is never touched."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..output import Problem, Progress, as_json, size
from ..place import Place, data_argument, json_argument

NAME, HELP = "restore", "make a data directory from a backup"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that `sagewright backup` wrote")


def run(given: argparse.Namespace) -> int:
    from ...bootstrap import archive

    place, progress = Place.of(given), Progress()
    try:
        said = archive.restore(given.file, place.data, lambda what, done: progress.step(f"{size(done):>10}  {what}"))
    except FileExistsError:
        raise Problem(f"{place.data} is not empty.", "Restore into a new directory with --data DIR, then start it with `sagewright up --data DIR`.") from None
    except FileNotFoundError as error:
        raise Problem(f"{error.filename} does not exist.") from None
    except archive.BadBackup as error:
        raise Problem(str(error), "Nothing was restored.") from None
    finally:
        progress.done()
    about = {key: said[key] for key in ("version", "created", "account", "region", "objects")}
    if given.json:
        as_json({"data": str(place.data), **about})
    else:
        taken = time.strftime("%Y-%m-%d %H:%M", time.localtime(said["created"]))
        print(f"{place.data}: restored {said['objects']} objects and all records as of {taken}")
        print(f"  start it with: sagewright up --data {place.data}")
    return 0

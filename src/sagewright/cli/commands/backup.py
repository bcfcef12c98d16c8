"""Write everything of the server into one file, while it runs, and check what was written.

The file holds secrets: the operator's keys and the key that opens the others. Job folders of running jobs are not
part of it; a restored server reports such jobs as failed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..output import Problem, Progress, as_json, size
from ..place import Place, data_argument, json_argument, load

NAME, HELP = "backup", "write everything into one file, while the server runs"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="file to write, .tar or .tar.gz; must not exist")


def run(given: argparse.Namespace) -> int:
    import asyncio

    from ...bootstrap import archive

    place = Place.of(given)
    if not (place.data / "credentials.json").exists():
        raise Problem(f"{place.data} holds no server's data.", "Name the data directory with --data.")
    progress = Progress()
    try:
        said = asyncio.run(archive.backup(
            load(data=str(place.data)), given.file.absolute(), lambda what, done: progress.step(f"{size(done):>10}  {what}"),
        ))
    except FileExistsError:
        raise Problem(f"{given.file} exists already.", "Backups are never overwritten; give another name.") from None
    except (archive.BadBackup, OSError) as error:
        raise Problem(f"the backup failed: {error}", "Nothing was left behind.") from None
    finally:
        progress.done()
    if given.json:
        as_json({"file": str(given.file.absolute()), **said})
    else:
        print(f"{given.file}: {said['objects']} objects, {said['files']} files, {size(said['bytes'])}; read back and verified")
    return 0

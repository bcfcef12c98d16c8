"""Stop the server. Running jobs and endpoints go on; the next `up` takes them over again."""

from __future__ import annotations

import argparse
import os
import select
import signal

from ..output import Problem
from ..place import Place, data_argument

NAME, HELP = "down", "stop the server"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait for it (default: %(default)s)")


def run(given: argparse.Namespace) -> int:
    place = Place.of(given)
    found = place.running()
    if found is None:
        print(f"no server is running on {place.data}")
        return 0
    try:
        process = os.pidfd_open(found.pid)
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        return 0
    except PermissionError:
        raise Problem(f"the server (pid {found.pid}) belongs to another user.", "Run `sagewright down` as that user.") from None
    try:
        if not select.select([process], [], [], given.timeout)[0]:
            raise Problem(
                f"the server (pid {found.pid}) has not ended within {given.timeout:g} s.",
                "It may be finishing requests; wait with a longer --timeout, or end it with: kill -9 " + str(found.pid),
            )
    finally:
        os.close(process)
    print(f"stopped the server at {found.url}")
    return 0

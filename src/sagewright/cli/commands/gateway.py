"""Start a further gateway beside a server, in the foreground: another port that answers InvokeEndpoint.

It answers signed, plain invocations of real-time endpoints from the same data directory (and the same PostgreSQL, if
SAGEWRIGHT_RECORDS names one), also while the server is down, and passes everything else on to the server.
"""

from __future__ import annotations

import argparse
import logging

from ..output import Problem
from ..place import Place, data_argument, load

NAME, HELP = "gateway", "start a further gateway beside a server"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 for any free one (default: %(default)s)")


def run(given: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    place = Place.of(given)
    place.keys()  # a server has been here
    settings = load(data=str(place.data), host=given.host, port=str(given.port))
    if settings.auth != "strict" or settings.trust_forwarded:
        raise Problem("a gateway needs auth strict and no trust_forwarded: it verifies every request.", "Let the server answer, or change its settings.")
    from ...bootstrap import replica

    try:
        replica.run(settings, lambda running: print(f"A gateway answers at {running.url}", flush=True))
    except OSError as error:
        raise Problem(f"cannot listen on {given.host}:{given.port}: {error.strerror or error}.", "Give another port with --port.") from None
    return 0

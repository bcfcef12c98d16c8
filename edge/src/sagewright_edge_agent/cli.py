"""The command: ``sagewright-edge-agent -a <unix socket> -c <configuration>``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import threading
from pathlib import Path

from . import __version__
from .agent import Agent
from .config import read
from .server import Server


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser("sagewright-edge-agent", description="Runs compiled models on a device.")
    parser.add_argument("-a", "--address", required=True, metavar="SOCKET", help="Unix socket that applications connect to")
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="configuration, a JSON file")
    parser.add_argument("--version", action="version", version=__version__)
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        agent = Agent(read(given.config))
        server = Server(given.address, agent)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"sagewright-edge-agent: {error}\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    talking = threading.Thread(target=agent.run, name="cloud")
    talking.start()
    try:
        server.serve_forever(poll_interval=0.5)
    finally:
        agent.stop()
        talking.join()
        server.server_close()
        with contextlib.suppress(FileNotFoundError):
            Path(given.address).unlink()
    return 0

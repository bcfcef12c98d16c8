"""Asynchronous inference under kills: 10,000 requests while the server is killed five times; each must be answered once.

    python benchmarks/async_kill.py [--requests 10000] [--kills 5]

Two clients send (boto3, signed, one request at a time), a thousand of the inputs are objects, the others come in the requests.
Every answer holds a random word of its own, and is looked at again after every kill: one written twice would differ. Before that, without
kills: requests accepted in a second, each on disk before its 202, and answers in a second.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sagewright.testing.flood import Flood
from sagewright.testing.server import TestServer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    given = parser.parse_args()
    for kills in (0, given.kills):
        with tempfile.TemporaryDirectory() as folder, TestServer(Path(folder) / "data") as server:
            flood = Flood(server, given.requests, given.requests // 10)
            flood.run(kills, 600)
            flood.check()
            print(
                f"{given.requests} requests, {kills} kills: accepted in {flood.sent:.1f} s ({given.requests / flood.sent:.0f}/s), "
                f"answered in {flood.answered:.1f} s ({given.requests / flood.answered:.0f}/s), {flood.retried} calls made again; "
                "every one answered, each once"
            )


if __name__ == "__main__":
    main()

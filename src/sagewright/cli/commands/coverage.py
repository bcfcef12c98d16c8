"""Print what works: for every operation of every service, whether it works, keeps documents only, or is not implemented."""

from __future__ import annotations

import argparse

from ..output import as_json, table
from ..place import json_argument

NAME, HELP = "coverage", "print which operations work"


def arguments(parser: argparse.ArgumentParser) -> None:
    json_argument(parser)
    parser.add_argument("service", nargs="?", help="one service only, such as sagemaker, with its operations")


def run(given: argparse.Namespace) -> int:
    from ...bootstrap.coverage import coverage
    from ..output import Problem

    found = coverage()
    if given.service:
        if given.service not in found:
            raise Problem(f"no service called {given.service!r}.", f"There are: {', '.join(sorted(found))}")
        found = {given.service: found[given.service]}
    if given.json:
        as_json(found)
    elif given.service:
        print(table(sorted(found[given.service].items()), ("OPERATION", "STATE")))
    else:
        rows = [(s, *(str(sum(v == state for v in ops.values())) for state in ("works", "metadata", "missing"))) for s, ops in sorted(found.items())]
        print(table(rows, ("SERVICE", "WORKS", "METADATA ONLY", "NOT IMPLEMENTED")))
    return 0

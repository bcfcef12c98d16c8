"""Run a command with the environment that points AWS clients at the server."""

from __future__ import annotations

import argparse
import os

from ..clientenv import applied
from ..output import Problem
from ..place import data_argument
from .env import variables

NAME, HELP = "exec", "run a command with that environment"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    parser.add_argument("--https", action="store_true", help="use HTTPS, with the server's own certificate authority")
    parser.add_argument("--region", help="default region of the clients (default: the server's)")
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="the command and its arguments")


def run(given: argparse.Namespace) -> int:
    argv = given.argv[1:] if given.argv[:1] == ["--"] else given.argv
    if not argv:
        raise Problem("no command given.", "Say it after two dashes: sagewright exec -- aws sagemaker list-training-jobs")
    environ = applied(variables(given), os.environ)
    try:
        os.execvpe(argv[0], argv, environ)
    except FileNotFoundError:
        raise Problem(f"there is no command {argv[0]!r} on PATH.") from None
    except PermissionError:
        raise Problem(f"{argv[0]} cannot be executed.") from None

"""The ``sagewright`` command. Each subcommand is a module with ``NAME``, ``HELP``, ``arguments`` and ``run``.

Exit codes: 0 done, 1 it did not work (the message says why and what to do), 2 the command line is wrong, 130
interrupted. Modules import what is heavy when they run, so that ``--help`` is immediate.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from .. import __version__
from .output import Problem, problem

COMMANDS = ("up", "gateway", "down", "status", "env", "studio", "exec_", "doctor", "logs", "images", "backup", "restore", "coverage")
EPILOG = """\
first steps:
  sagewright up --detach           start a server here
  eval "$(sagewright env)"         point this shell's AWS tools at it
  sagewright exec -- python x.py   or run one command against it
"""


def modules() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.commands.{name}") for name in COMMANDS]


def parser() -> argparse.ArgumentParser:
    """The whole command line; the CLI reference is generated from it."""
    top = argparse.ArgumentParser(
        prog="sagewright", description="SageMaker that you own.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sagewright {__version__}")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for module in modules():
        sub = commands.add_parser(module.NAME, help=module.HELP, description=module.__doc__)
        module.arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    try:
        return int(given.run(given) or 0)
    except Problem as error:
        problem(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of our output went away, as `sagewright logs job | head` does
        sys.stderr.close()
        return 0

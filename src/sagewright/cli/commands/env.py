"""Print the environment that points AWS clients at the server: eval "$(sagewright env)"."""

from __future__ import annotations

import argparse
import os

from ..clientenv import client_environment, shell_lines
from ..output import as_json
from ..place import Place, data_argument, json_argument

NAME, HELP = "env", "print the environment that points AWS clients here"
ROLE = "SagewrightExecutionRole"


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    json_argument(parser)
    parser.add_argument("--https", action="store_true", help="use HTTPS, with the server's own certificate authority")
    parser.add_argument("--region", help="default region of the clients (default: the server's)")


def run(given: argparse.Namespace) -> int:
    found = variables(given)
    if given.json:
        as_json(found)
    else:
        print(shell_lines(found, os.environ), end="")
    return 0


def variables(given: argparse.Namespace) -> dict[str, str]:
    """What a client needs. Raises Problem without a running server."""
    place = Place.of(given)
    running = place.need()
    access_key, secret_key = place.keys()
    endpoint = running.local_url
    if given.https and endpoint.startswith("http:"):
        endpoint = "https:" + endpoint.removeprefix("http:")
    return client_environment(
        place.data, endpoint, region=given.region or running.region, account=running.account, access_key=access_key,
        secret_key=secret_key, role_arn=f"arn:aws:iam::{running.account}:role/{ROLE}", authority=place.data / "tls" / "ca.pem",
    )

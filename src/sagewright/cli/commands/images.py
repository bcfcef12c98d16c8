"""List the images that jobs and endpoints can name, and build their environments ahead of the first use."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable

from ...stores.images import Image, Images, UnknownImage
from ..output import Problem, Progress, as_json, duration, styled, table
from ..place import Place, data_argument, json_argument, load

NAME, HELP = "images", "list the images, or build their environments ahead"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("list", help="list the images and whether their environments are built")
    data_argument(show)
    json_argument(show)
    pull = actions.add_parser("pull", help="build environments now, for instance before a machine loses its network")
    data_argument(pull)
    pull.add_argument("names", nargs="*", metavar="NAME", help="repository, repository:tag or a whole image URI")
    pull.add_argument("--all", action="store_true", help="every image there is")


def run(given: argparse.Namespace) -> int:
    from ...bootstrap.agent import images

    catalogue = images(load(data=str(Place.of(given).data)))
    return show(catalogue, given.json) if given.action == "list" else pull(catalogue, given)


def show(catalogue: Images, as_text: bool) -> int:
    rows = sorted(catalogue.all(), key=lambda i: (i.repository, i.tag))
    if as_text:
        as_json([
            {"repository": i.repository, "tag": i.tag, "image": i.name, "ready": catalogue.ready(i), "environment": str(i.environment)}
            for i in rows
        ])
        return 0
    states = [(f"{i.repository}:{i.tag}", catalogue.ready(i)) for i in rows]
    print(table([(name, styled("ready", "green") if ready else "built on first use") for name, ready in states], ("IMAGE", "ENVIRONMENT")))
    return 0


def pull(catalogue: Images, given: argparse.Namespace) -> int:
    wanted = wanted_images(catalogue, given.names, given.all)
    failed = []
    for number, image in enumerate(wanted, 1):
        label, begun, progress = f"[{number}/{len(wanted)}] {image.repository}:{image.tag}", time.monotonic(), Progress()

        def step(line: str, label: str = label, begun: float = begun, progress: Progress = progress) -> None:
            progress.step(f"{label}  {duration(time.monotonic() - begun)}  {line}")

        try:
            catalogue.ensure(image, step)
        except RuntimeError as error:
            failed.append(image)
            progress.done(f"{label}  {styled('failed', 'red')}\n{error}")
            continue
        progress.done(f"{label}  {styled('ready', 'green')} ({duration(time.monotonic() - begun)})")
    if failed:
        raise Problem(f"{len(failed)} of {len(wanted)} environments could not be built.")
    return 0


def wanted_images(catalogue: Images, names: Iterable[str], every: bool) -> list[Image]:
    """The images meant, each environment once. Raises Problem for a name that means nothing."""
    found: list[Image] = catalogue.all() if every else []
    for name in names:
        tagged = [i for i in catalogue.all() if name in (i.repository, i.name)]
        if not tagged:
            try:
                tagged = [catalogue.resolve(name)]
            except UnknownImage as error:
                raise Problem(str(error)) from None
        found += tagged
    if not found:
        raise Problem("no image named.", "Name some, or say --all; `sagewright images list` shows them.")
    return list({i.lock_hash: i for i in found}.values())

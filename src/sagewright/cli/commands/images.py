"""List the images that jobs and endpoints can name; bring container images in, give names a meaning, build environments ahead."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...stores.images import Image, Images, UnknownImage
from ..output import Problem, Progress, as_json, duration, styled, table
from ..place import Place, data_argument, json_argument, load

if TYPE_CHECKING:
    from ...agent.oci.images import AllImages
    from ...agent.oci.reference import Reference

NAME, HELP = "images", "list, import, pull, name and remove images"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("list", help="list the images and whether they are ready")
    data_argument(show)
    json_argument(show)
    take = actions.add_parser("import", help="take in a container image: a `docker save` or OCI archive, an OCI layout or a root file system")
    data_argument(take)
    take.add_argument("name", metavar="NAME[:TAG]", help="what jobs will call it")
    take.add_argument("path", metavar="PATH", type=Path, help="a tar archive, an OCI layout folder, or a folder that is a root file system")
    root = take.add_argument_group("for a root file system, which says nothing of this itself")
    root.add_argument("--entrypoint", metavar="COMMAND", help="the program that gets `train` or `serve` as its argument, in the shell's quoting")
    root.add_argument("--cmd", metavar="COMMAND", help="its arguments when nothing else gives any")
    root.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="a variable; may be repeated")
    root.add_argument("--workdir", metavar="DIR", default="/", help="where the program starts (default: /)")
    root.add_argument("--user", metavar="USER[:GROUP]", default="", help="whom the program sees itself as (default: root)")
    pull = actions.add_parser("pull", help="fetch a container image from its registry, or build a declared environment now")
    data_argument(pull)
    pull.add_argument("names", nargs="*", metavar="NAME", help="a declared repository, repository:tag or image URI; or an image with its registry, such as docker.io/library/python:3.12")
    pull.add_argument("--all", action="store_true", help="every declared environment there is")
    name = actions.add_parser("map", help="give a name a meaning: another image, or a folder with an image.toml")
    data_argument(name)
    name.add_argument("mapping", metavar="NAME[:TAG]=TARGET", help="NAME= without a target ends the mapping")
    remove = actions.add_parser("remove", help="remove a container image; running jobs keep it until they end")
    data_argument(remove)
    remove.add_argument("name", metavar="NAME[:TAG]")


def run(given: argparse.Namespace) -> int:
    from ...bootstrap.agent import images

    catalogue = images(load(data=str(Place.of(given).data)))
    actions: dict[str, Callable[[], int]] = {
        "list": lambda: show(catalogue, given.json),
        "import": lambda: take(catalogue, given),
        "pull": lambda: pull(catalogue, given),
        "map": lambda: name(catalogue, Place.of(given), given.mapping),
        "remove": lambda: remove(catalogue, given.name),
    }
    return actions[given.action]()


def show(catalogue: AllImages, as_text: bool) -> int:
    rows = sorted(catalogue.all(), key=lambda i: (i.repository, i.tag))
    if as_text:
        as_json([
            {
                "repository": i.repository, "tag": i.tag, "image": i.name, "kind": kind(i), "ready": catalogue.ready(i),
                **({"digest": i.lock_hash, "root": str(i.root.path)} if i.root else {"environment": str(i.environment)}),
            }
            for i in rows
        ])
        return 0
    states = [(f"{i.repository}:{i.tag}", kind(i), catalogue.ready(i)) for i in rows]
    print(table([(n, k, styled("ready", "green") if ready else "made on first use") for n, k, ready in states], ("IMAGE", "KIND", "STATE")))
    return 0


def kind(image: Image) -> str:
    return "container image" if image.root else "environment"


# -- container images


def reference(text: str) -> Reference:
    """Raises Problem."""
    from ...agent.oci.reference import BadReference, parse

    try:
        return parse(text)
    except BadReference as error:
        raise Problem(str(error)) from None


def take(catalogue: AllImages, given: argparse.Namespace) -> int:
    from ...agent.oci.sources import import_path

    wanted = reference(given.name)
    if wanted.digest or not wanted.tag:
        raise Problem(f"{given.name} names a digest; an import needs a name and a tag.")
    program: dict[str, Any] = {
        "Entrypoint": shlex.split(given.entrypoint or ""), "Cmd": shlex.split(given.cmd or ""), "Env": given.env,
        "WorkingDir": given.workdir, "User": given.user,
    }

    def bring(step: Callable[[str], None]) -> None:
        import_path(catalogue.store, wanted, given.path, program, step)
        catalogue.ensure(catalogue.resolve(str(wanted)), step)

    _make(str(wanted), bring)
    _warn_mapped(catalogue, str(wanted))
    return 0


def fetch(catalogue: AllImages, wanted: Reference) -> None:
    """Pull a container image and unpack it. Raises Problem."""
    from ...agent.oci.remote import Puller

    def bring(step: Callable[[str], None]) -> None:
        Puller(catalogue.store).pull(wanted, step)
        catalogue.ensure(catalogue.resolve(str(wanted)), step)

    _make(str(wanted), bring)


def _make(label: str, bring: Callable[[Callable[[str], None]], None]) -> None:
    from ...agent.oci.documents import BadImage

    progress, begun = Progress(), time.monotonic()
    try:
        bring(lambda line: progress.step(f"{label}  {duration(time.monotonic() - begun)}  {line}"))
    except (BadImage, OSError, RuntimeError, UnknownImage) as error:
        progress.done()
        raise Problem(f"{label}: {error}") from None
    progress.done(f"{label}  {styled('ready', 'green')} ({duration(time.monotonic() - begun)})")


def _warn_mapped(catalogue: AllImages, text: str) -> None:
    image = catalogue.resolve(text)
    if image.root is None:
        raise Problem(f"{text} is mapped to {image.repository}:{image.tag}, so jobs get that.", f"sagewright images map {text}= ends the mapping.")


def remove(catalogue: AllImages, text: str) -> int:
    from ...stores.image_registry import NoSuchImage, NoSuchRepository

    wanted = reference(text)
    for repository in dict.fromkeys(wanted.names):
        try:
            if wanted.digest:
                catalogue.store.delete_image(repository, wanted.digest)
            else:
                catalogue.store.untag(repository, wanted.tag)
        except (NoSuchImage, NoSuchRepository):
            continue
        catalogue.store.sweep(0.0)
        gone = catalogue.remove_unused()
        freed = f", and {len(gone)} unpacked root file system{'s' if len(gone) > 1 else ''}" if gone else ""
        print(f"{repository}:{wanted.tag or wanted.digest} removed{freed}")
        return 0
    raise Problem(f"there is no container image {text} here.", "`sagewright images list` shows what there is.")


def name(catalogue: AllImages, place: Place, mapping: str) -> int:
    from ...agent.oci.names import Names

    text, equals, target = mapping.partition("=")
    if not equals or not text:
        raise Problem(f"{mapping!r} is no mapping.", "Say NAME=TARGET, such as team/trainer:2=sagemaker-xgboost:1.7-1")
    reference(text)
    names = Names(place.data / "images.toml")
    try:
        place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if target and not target.startswith("/"):
            catalogue.resolve(target)
        names.put(text, target or None)
        found = catalogue.resolve(text if ":" in text.rpartition("/")[2] or not target else target) if target else None
    except UnknownImage as error:
        raise Problem(str(error)) from None
    print(f"{text} is {found.repository}:{found.tag} ({kind(found)})" if found else f"{text} is not mapped any more")
    return 0


# -- declared environments


def pull(catalogue: AllImages, given: argparse.Namespace) -> int:
    from ...agent.oci.reference import ours

    hosts = {text: reference(text).host for text in given.names}
    far = [text for text, host in hosts.items() if host and not ours(host)]
    declared = [text for text in hosts if text not in far]
    for text in far:
        fetch(catalogue, reference(text))
    if declared or given.all or not far:
        build(catalogue, wanted_images(catalogue, declared, given.all))
    return 0


def build(catalogue: Images, wanted: list[Image]) -> None:
    """Raises Problem when any could not be built, after all were tried."""
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


def wanted_images(catalogue: Images, names: Iterable[str], every: bool) -> list[Image]:
    """The images meant, each environment once. Raises Problem for a name that means nothing."""
    found: list[Image] = [image for image in catalogue.all() if not image.root] if every else []
    for text in names:
        tagged = [i for i in catalogue.all() if text in (i.repository, i.name)]
        if not tagged:
            try:
                tagged = [catalogue.resolve(text)]
            except UnknownImage as error:
                raise Problem(str(error), "An image of a registry is pulled with the registry's name: docker.io/library/python:3.12") from None
        found += tagged
    if not found:
        raise Problem("no image named.", "Name some, or say --all; `sagewright images list` shows them.")
    return list({i.lock_hash: i for i in found}.values())



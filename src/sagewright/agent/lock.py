"""Writes the images' lock files: ``python -m sagewright.agent.lock images [name[:tag] ...]``.

One universal resolution a tag, with hashes and without any registry's address, so that every machine and every
Python in the tag's range installs the same files. Run when requirements change; the locks are committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .environments import _uv, first_of
from .images import Declaration, Tag, read_declaration


def lock(declaration: Declaration, tag: Tag) -> None:
    """Resolve ``tag`` and write its lock.

    Raises:
        RuntimeError: with uv's own words.
    """
    oldest = tag.python.split(",")[0].removeprefix(">=")
    argv = [
        _uv(), "--no-progress", "pip", "compile", "--quiet", "--universal", "--python-version", oldest,
        "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
        "--only-binary", ":all:", "--upgrade", "-",
    ]  # fmt: skip
    # what lies in the folders of this machine may be a build of its own; only a tag with such builds is to see it
    environ = {name: value for name, value in os.environ.items() if tag.indexes or name != "UV_FIND_LINKS"}
    head = f"# {declaration.name}:{tag.name}, Python {tag.python}. Written by make lock-images\n"

    def compile(options: list[str]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
            overrides.write("\n".join(tag.overrides))
            overrides.flush()
            done = subprocess.run(
                [*argv, "--overrides", overrides.name, *options], input="\n".join(tag.requirements), capture_output=True,
                text=True, check=False, env=environ,
            )
        if done.returncode:
            raise RuntimeError(f"{declaration.name}:{tag.name}: {done.stderr.strip()}")
        tag.lock.parent.mkdir(exist_ok=True)
        tag.lock.write_text(head + done.stdout)

    first_of(tag.indexes, compile)


def main(argv: list[str]) -> int:
    root, only = Path(argv[0]), set(argv[1:])
    for path in sorted(root.glob("*/image.toml")):
        declaration = read_declaration(path.parent)
        for tag in declaration.tags.values():
            borrowed = tag.lock.stem != tag.name
            chosen = not only or only & {declaration.name, f"{declaration.name}:{tag.name}"}
            if chosen and not borrowed and not tag.unavailable:
                lock(declaration, tag)
                sys.stdout.write(f"{tag.lock}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Generates docs/reference/images.md: ``python -m sagewright.agent.reference images docs/reference/images.md``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .images import Declaration, Tag, read_declaration

HEAD = """# Images

Generated from `images/*/image.toml` by `python -m sagewright.agent.reference images docs/reference/images.md`.

The registry's host and account in an image URI do not matter: repository and tag pick the environment. What the SDKs
append to a version (`-cpu-py3`) is understood. Another name gets its meaning in `images.toml` in the data directory:

```toml
[images]
"team/trainer" = "sagemaker-xgboost:1.7-1"   # a declared image
"team/trainer:2" = "/srv/images/trainer"     # a folder with an image.toml of your own
```
"""
SHOWN = re.compile(r"^(torch|transformers|tensorflow(?:-cpu)?|lightgbm|xgboost(?:-cpu)?|scikit-learn|numpy|pandas|scipy|pyarrow)==([^ \\]+)( ; [^\\]*)?", re.MULTILINE)


def render(images: Path) -> str:
    """The page, from every declaration under ``images``."""
    parts = [HEAD]
    for path in sorted(images.glob("*/image.toml")):
        declaration = read_declaration(path.parent)
        parts.append(f"\n## {declaration.name}\n\n{_comment(path)}\n\n| image | also | Python | holds |\n|---|---|---|---|\n")
        parts.extend(_row(declaration, tag) for tag in declaration.tags.values())
    return "".join(parts)


def _row(declaration: Declaration, tag: Tag) -> str:
    names = "<br>".join(f"`{repository}:{tag.name}`" for repository in tag.repositories)
    aliases = ", ".join(f"`{alias}`" for alias in tag.aliases)
    holds = f"not available: {tag.unavailable}" if tag.unavailable else _versions(tag)
    return f"| {names} | {aliases} | {tag.python} | {holds} |\n"


def _versions(tag: Tag) -> str:
    versions: dict[str, list[str]] = {}
    for name, version, _ in SHOWN.findall(tag.lock.read_text()):
        versions.setdefault(name, []).append(version)
    return ", ".join(f"{name} {' or '.join(found)}" for name, found in versions.items()) or "pip, boto3"


def _comment(path: Path) -> str:
    lines = path.read_text().splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines[: next(i for i, x in enumerate(lines) if x[:1] != "#")])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1])))

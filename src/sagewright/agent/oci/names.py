"""The operator's own names for images, in ``images.toml``: read at each use, so that an edit counts at once."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from ...stores.images import UnknownImage
from ..images import split_uri

_HEADER = re.compile(r"^\s*\[images\]\s*(#.*)?$")


class Names:
    """``path`` need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, str]:
        """Raises UnknownImage when the file cannot be read."""
        try:
            found = tomllib.loads(self.path.read_text()).get("images", {})
        except FileNotFoundError:
            return {}
        except (tomllib.TOMLDecodeError, OSError) as error:
            raise UnknownImage(f"{self.path}: {error}") from error
        return {str(name): str(target) for name, target in found.items()}

    def target(self, uri: str) -> str | None:
        """What a name is mapped to: an image, or a folder that holds an image.toml."""
        names = self.all()
        if not names:
            return None
        repository, tag = split_uri(uri)
        found = names.get(f"{repository}:{tag}", names.get(repository))
        if found is None or found.startswith("/") or ":" in found.rpartition("/")[2]:
            return found
        return f"{found}:{tag}"

    def put(self, name: str, target: str | None) -> None:
        """Map a name, or with None end its mapping; the file's other lines and comments stay. Raises UnknownImage."""
        self.all()  # a file that cannot be read is not written over
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        header = next((at for at, line in enumerate(lines) if _HEADER.match(line)), None)
        if header is None:
            lines += ["", "[images]"] if lines else ["[images]"]
            header = len(lines) - 1
        own = re.compile(rf"^\s*({re.escape(json.dumps(name))}|{re.escape(name)})\s*=")
        kept = [line for at, line in enumerate(lines) if at <= header or not own.match(line)]
        if target is not None:
            kept.insert(header + 1, f"{json.dumps(name)} = {json.dumps(target)}")
        draft = self.path.with_name(f".{self.path.name}.new")
        draft.write_text("\n".join(kept) + "\n")
        draft.replace(self.path)

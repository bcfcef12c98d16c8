"""Model folders and reproducible archives: the same members give the same bytes, so the same digest."""

import gzip
import hashlib
import io
import os
import tarfile
from typing import Dict, List, Tuple

from .refusal import Refusal


def model_files(folder: str, endings: Tuple[str, ...]) -> List[str]:
    """Files of a model folder with one of the endings, at any depth; the ``code`` folder and hidden files are left out."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not (root == folder and f == "code"))
        found += [os.path.join(root, name) for name in sorted(names) if name.endswith(endings) and not name.startswith(".")]
    return found


def the_model(folder: str, endings: Tuple[str, ...], what: str) -> str:
    """The one model file. Raises Refusal where there is none or several."""
    found = model_files(folder, endings)
    if len(found) != 1:
        names = ", ".join(os.path.relpath(path, folder) for path in found) or "none"
        raise Refusal("InputConfiguration: %s must be exactly one file of the archive (%s); found: %s" % (what, ", ".join(endings), names))
    return found[0]


def pack(path: str, members: Dict[str, bytes]) -> None:
    """Write a tar.gz with these members and nothing of the moment or of this machine in it."""
    with open(path, "wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(members):
                about = tarfile.TarInfo(name)
                about.size, about.mode = len(members[name]), 0o644
                archive.addfile(about, io.BytesIO(members[name]))


def digest(path: str, algorithm: str) -> str:
    """Hexadecimal digest of a file."""
    made = hashlib.new(algorithm)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            made.update(block)
    return made.hexdigest()

"""Image names: which registry, repository, tag and digest a reference means, and under which name we keep it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?", re.IGNORECASE)
_ECR = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|localhost)(:\d+)?")
DOCKER = "docker.io"
LONGEST = 200
"""Characters of a repository's component: each is a folder's name in the store."""


class BadReference(ValueError):
    """The text names no image; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference. ``host`` is empty where the text names none."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Repository names under which the image may be kept here, the most exact first.

        Our own registry and AWS's are one name space, so their hosts do not count. A short name is ours, else Docker
        Hub's. An image of another registry goes by its host, else by its path alone, as an import has named it.
        """
        if self.host == DOCKER:
            return f"{DOCKER}/{_official(self.path)}", self.path, self.path.removeprefix("library/")
        if not self.host:
            return self.path, f"{DOCKER}/{_official(self.path)}"
        if ours(self.host):
            return (self.path,)
        return f"{self.host.replace(':', '_')}/{self.path}", self.path

    @property
    def name(self) -> str:
        """The repository name under which a pull or an import keeps it."""
        return self.names[0]

    @property
    def registry(self) -> str:
        """The registry to pull from; Docker Hub for short names."""
        return self.host or DOCKER

    @property
    def remote_path(self) -> str:
        return _official(self.path) if self.registry == DOCKER else self.path

    def __str__(self) -> str:
        text = f"{self.host}/{self.path}" if self.host else self.path
        return text + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _official(path: str) -> str:
    return path if "/" in path else f"library/{path}"


def ours(host: str) -> bool:
    """Whether a host in an image's name stands for this server: AWS's registries, loopback, and any plain address."""
    if _ECR.fullmatch(host):
        return True
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def parse(text: str) -> Reference:
    """Read ``[host[:port]/]path[:tag][@sha256:...]``; the tag is ``latest`` when neither tag nor digest is given.

    Raises:
        BadReference: naming the part that is wrong.
    """
    rest, at, digest = text.strip().partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise BadReference(f"{text!r}: the digest must be sha256: and 64 hexadecimal digits")
    host = ""
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        host, rest = head.lower(), tail
        if not _HOST.fullmatch(host):
            raise BadReference(f"{text!r}: {host!r} is no registry host")
        if host in ("index.docker.io", "registry-1.docker.io"):
            host = DOCKER
    path, colon, tag = rest.partition(":")
    if colon and not TAG.fullmatch(tag):
        raise BadReference(f"{text!r}: {tag!r} is no tag")
    if not REPOSITORY.fullmatch(path) or max(map(len, path.split("/"))) > LONGEST:
        raise BadReference(f"{text!r}: {path!r} is no repository name (lower-case letters, digits, and . _ - / between them)")
    return Reference(host, path, tag or ("" if digest else "latest"), digest)

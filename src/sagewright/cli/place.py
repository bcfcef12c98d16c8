"""A data directory as the commands see it: which server serves it, and the operator's keys."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings import Settings
from .output import Problem

LOCK, STATE, LOG = "server.lock", "server.json", "server.log"
EVERYWHERE = ("//0.0.0.0:", "//[::]:")


def data_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="data directory of the server (SAGEWRIGHT_DATA; .sagewright)")


def json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


@dataclass(frozen=True, slots=True)
class Running:
    """What a running server has written down about itself."""

    pid: int
    url: str
    started: float
    version: str
    region: str
    account: str
    workspaces: str
    """URL of a workspace, ``*`` in place of its name; empty where there are none."""

    @property
    def local_url(self) -> str:
        """The URL for a client on this machine; a server that listens everywhere listens on loopback too."""
        for every in EVERYWHERE:
            if every in self.url:
                return self.url.replace(every, "//127.0.0.1:")
        return self.url


class Place:
    """One data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data.absolute()

    @classmethod
    def of(cls, given: argparse.Namespace) -> Place:
        return cls(load(data=given.data).data)

    def running(self) -> Running | None:
        """The server that holds the directory, once it answers; a file left by a killed one does not count."""
        if not self.held():
            return None
        try:
            said = json.loads((self.data / STATE).read_text())
            return Running(*(said[name] for name in Running.__slots__))
        except (OSError, ValueError, KeyError):
            return None

    def need(self) -> Running:
        """Raises Problem unless a server is running here."""
        found = self.running()
        if found is None:
            raise Problem(
                f"no server is running on {self.data}.",
                f"Start one with: sagewright up --detach --data {self.data}   (or name another directory with --data)",
            )
        return found

    def held(self) -> bool:
        """Whether a server process holds the directory. Asks without taking the lock itself."""
        try:
            with (self.data / LOCK).open("r+b") as file:
                answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        except FileNotFoundError:
            return False
        return bool(struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the directory's server for a while. Raises Problem if another one is."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.data / LOCK).open("a+b") as file:
            try:
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
            except (BlockingIOError, PermissionError):
                found = self.running()
                where = f" at {found.url} (pid {found.pid})" if found else ""
                raise Problem(
                    f"a server is running on {self.data} already{where}.",
                    "Use it, stop it with `sagewright down`, or give another directory with --data.",
                ) from None
            (self.data / STATE).unlink(missing_ok=True)  # of a server that was killed: its process id may be another's by now
            yield

    def keys(self) -> tuple[str, str]:
        """The operator's access key and secret key. Raises Problem."""
        path = self.data / "credentials.json"
        try:
            said = json.loads(path.read_text())
            return said["access_key"], said["secret_key"]
        except FileNotFoundError:
            raise Problem(f"{path} does not exist yet.", "The first `sagewright up` makes it.") from None
        except PermissionError:
            raise Problem(f"{path} cannot be read by this user.", "Run the command as the user who runs the server.") from None
        except (ValueError, KeyError) as error:
            raise Problem(f"{path} holds no keys ({error}).", "Restore it from a backup.") from None


def _whole_file(kind: int) -> bytes:
    """``struct flock`` of Linux. A lock of an open file ends with the process, however that ends."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def load(**given: Any) -> Settings:
    """Settings, with errors as Problems."""
    try:
        settings = Settings.load(**given)
    except ValueError as error:
        raise Problem(str(error), "See docs/reference/settings.md, or `sagewright up --help`.") from None
    return settings


def healthy(url: str, seconds: float = 5.0) -> bool:
    """Whether the server's own health page answers. Never through a proxy."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/_sagewright/health", timeout=seconds) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def client(place: Place, service: str) -> Any:
    """A botocore client of the operator, on the directory's own server."""
    import botocore.session
    from botocore.config import Config

    running = place.need()
    access_key, secret_key = place.keys()
    session = botocore.session.Session()
    # a profile or a role of the caller's environment has no say here
    session.set_config_variable("profile", None)
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return session.create_client(
        service, endpoint_url=running.local_url, region_name=running.region, aws_access_key_id=access_key,
        aws_secret_access_key=secret_key, config=Config(retries={"max_attempts": 2}, proxies={}),
    )

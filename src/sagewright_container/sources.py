"""The user's code: fetched, unpacked safely, and its requirements installed."""

import fcntl
import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from typing import List, Optional
from urllib.parse import urlparse

from . import modelbuilder, paths, s3
from .errors import CustomerError, ScriptError


def fetch(source: Optional[str], target: str, program: str = "") -> str:
    """Put the code of ``source`` (an s3:// URI, an archive or a directory) into ``target`` and return the directory.

    Without a source, a channel called ``code`` is taken, and else ``target`` as it stands. An archive in S3 that holds
    ``program`` may have been unpacked already, before the container started.

    Raises:
        CustomerError: the source is missing or is no archive.
    """
    if not source:
        channel = paths.channel("code")
        source = channel if os.path.isdir(channel) else target
    if source.startswith("file://"):
        source = urlparse(source).path
    if source.startswith("s3://"):
        if program and os.path.isfile(os.path.join(target, program)):
            return target
        with tempfile.TemporaryDirectory() as folder:
            archive = os.path.join(folder, "source.tar.gz")
            download(source, archive)
            return unpack(archive, target)
    if os.path.isfile(source):
        return unpack(source, target)
    if not os.path.isdir(source):
        raise CustomerError("the code directory %s does not exist" % source)
    archives = [name for name in os.listdir(source) if name.endswith((".tar.gz", ".tgz"))]
    if archives == os.listdir(source) and len(archives) == 1:
        return unpack(os.path.join(source, archives[0]), target)
    if os.path.realpath(source) != os.path.realpath(target):
        shutil.copytree(source, target, dirs_exist_ok=True)
    return target


def download(uri: str, path: str) -> None:
    """One object to a file, with the credentials and endpoint of the environment."""
    parts = urlparse(uri)
    key = parts.path.lstrip("/")
    if s3.usable(os.environ):
        try:
            s3.fetch(parts.netloc, key, path)
        except s3.S3Error as e:
            raise CustomerError("Data download failed: %s: %s" % (uri, e)) from e
        return
    import boto3  # type: ignore[import-untyped, unused-ignore]
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3").download_file(parts.netloc, key, path)
    except (BotoCoreError, ClientError) as e:
        raise CustomerError("Data download failed: %s: %s" % (uri, e)) from e


def unpack(archive: str, target: str) -> str:
    """Extract a tar archive. Members that would leave ``target``, links that point out of it and devices are refused."""
    os.makedirs(target, exist_ok=True)
    root = os.path.realpath(target)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _extract(tar, member, root)
    except (tarfile.TarError, EOFError, OSError) as e:
        raise CustomerError("%s is not a readable tar archive: %s" % (os.path.basename(archive), e)) from e
    return target


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> None:
    place = os.path.realpath(os.path.join(root, member.name))
    if place != root and not place.startswith(root + os.sep):
        raise CustomerError("the archive's member %r lies outside of it" % member.name)
    if member.issym() or member.islnk():
        start = root if member.islnk() else os.path.dirname(place)
        aim = os.path.realpath(os.path.join(start, member.linkname))
        if aim != root and not aim.startswith(root + os.sep):
            raise CustomerError("the archive's link %r points outside of it" % member.name)
    elif not (member.isfile() or member.isdir()):
        raise CustomerError("the archive's member %r is neither file, directory nor link" % member.name)
    member.mode = (member.mode & 0o777) | (0o700 if member.isdir() else 0o600)
    member.uid, member.gid = os.getuid(), os.getgid()
    member.uname = member.gname = ""
    if hasattr(tarfile, "data_filter"):
        tar.extract(member, root, filter="fully_trusted")  # the checks above have passed
    else:
        tar.extract(member, root)


def install_requirements(folder: str) -> None:
    """``pip install`` the requirements.txt of ``folder``, when it has one.

    Raises:
        ScriptError: InstallRequirementsError with pip's last words.
    """
    if os.path.isfile(os.path.join(folder, "requirements.txt")):
        _pip(["-r", "requirements.txt"], folder, "InstallRequirementsError")


def install_for_workers(folder: str, prefix: str) -> List[str]:
    """As ``install_requirements``, once for all workers of a model server, below ``prefix``; the folders to import from.

    Raises:
        ScriptError: InstallRequirementsError with pip's last words.
    """
    if not os.path.isfile(os.path.join(folder, "requirements.txt")):
        return []
    os.makedirs(prefix, exist_ok=True)
    complete = os.path.join(prefix, ".complete")
    with open(os.path.join(prefix, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(complete):
            listed = modelbuilder.wanted(folder, prefix) if modelbuilder.made(folder) else "requirements.txt"
            if listed:
                _pip(["-r", listed], folder, "InstallRequirementsError", ["--prefix", prefix])
            open(complete, "w").close()
    places = {"base": prefix, "platbase": prefix}
    return list(dict.fromkeys(sysconfig.get_path(kind, vars=places) for kind in ("purelib", "platlib")))


def install_module(folder: str) -> None:
    """``pip install`` the package that ``folder`` holds.

    Raises:
        ScriptError: InstallModuleError with pip's last words.
    """
    more = ["-r", "requirements.txt"] if os.path.isfile(os.path.join(folder, "requirements.txt")) else []
    _pip([".", *more], folder, "InstallModuleError")


def _pip(what: List[str], folder: str, kind: str, where: Optional[List[str]] = None) -> None:
    command = [sys.executable, "-m", "pip", "install", *what]
    target = where or []
    if where is None and not os.access(os.path.dirname(os.__file__ if sys.prefix == sys.base_prefix else _site()), os.W_OK):
        # the environment is shared and read-only: the job gets a folder of its own in front of it
        target = ["--target", paths.packages(), "--upgrade"]
        expose(paths.packages())
    said = run([*command, *target, "--no-warn-script-location", "--disable-pip-version-check"], folder)
    if said.returncode:
        raise ScriptError(kind, said.returncode, said.words, command)


def expose(folder: str) -> None:
    """Make packages of ``folder`` importable here and in child processes."""
    os.makedirs(folder, exist_ok=True)
    if folder not in sys.path:
        sys.path.insert(1, folder)
    existing = os.environ.get("PYTHONPATH", "")
    if folder not in existing.split(os.pathsep):
        os.environ["PYTHONPATH"] = folder + (os.pathsep + existing if existing else "")


def _site() -> str:
    return os.path.join(sysconfig.get_paths()["purelib"], "x")


RANK = re.compile(r"^\[(?:rank)?\d+(?:,\d+)*\](?:<stderr>)?: ?")
"""What names the process that a line of output comes from."""


class Said:
    """How a child process ended, and its last words on stderr."""

    def __init__(self, returncode: int, words: str) -> None:
        self.returncode = returncode
        self.words = words


def run(command: List[str], folder: str) -> Said:
    """Run a command with its output passed through; the tail of stderr is kept for the failure text."""
    tail: List[str] = []
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, universal_newlines=True, errors="replace"
    )
    assert process.stderr is not None
    for line in process.stderr:
        sys.stderr.write(line)
        sys.stderr.flush()
        tail.append(line)
        del tail[:-200]
    code = process.wait()
    return Said(128 - code if code < 0 else code, last_words(tail))


def last_words(lines: List[str]) -> str:
    """The part of stderr that names the error: from the last line that looks like one, else the last lines.

    What torchrun and mpirun put in front of a rank's lines is taken off, and torchrun's own summary is passed over.
    """
    lines = [RANK.sub("", line) for line in lines]
    for index in range(len(lines) - 1, -1, -1):
        head = lines[index].split(":", 1)[0].strip()
        if head.endswith("ChildFailedError") or " " in head:
            continue
        if head.endswith(("Error", "Exception")) or head == "ERROR":
            return "".join(itertools.takewhile(lambda line: line[:10] != "-" * 10, lines[index:])).strip()
    return "".join(lines[-5:]).strip()

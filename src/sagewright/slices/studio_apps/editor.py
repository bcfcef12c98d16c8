"""Apps of Studio that are a code editor, one that this machine has: code-server or OpenVSCode Server. None comes with the platform."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import quote

from ...gateway.answer import Broken
from ...stores.compute import Input
from ...wire.errors import Invalid
from .activity import SECONDS, Use
from .jupyter import HOME, JupyterApps, Program
from .table import Workspace

APP_TYPE = "CodeEditor"
KINDS = ("code-server", "openvscode-server")
"""Names of programs, the first that is found is taken."""
SHOWN = "/opt/ml/editor"
"""Where a workspace sees the folder of an editor that lies outside /usr."""
MISSING = (
    "There is no code editor on this machine. Install code-server or OpenVSCode Server, so that the server finds code-server or "
    "openvscode-server on its PATH or in the setting code_editor."
)


class EditorApps(JupyterApps):
    """Runs these apps as JupyterLab's are run: in the same sandbox, behind the same proxy."""

    def lacks(self) -> str:
        try:
            found(self.platform.settings.code_editor)
        except Invalid as error:
            return str(error)
        return ""

    def program(self) -> Program:
        path = found(self.platform.settings.code_editor)
        where, inputs = str(path), list[Input]()
        if not path.is_relative_to("/usr"):
            folder = installed(path)
            where = f"{SHOWN}/{path.relative_to(folder)}"
            inputs = [Input(SHOWN, folder.as_uri(), type="Folder", label="code editor")]
        return Program({"SAGEWRIGHT_EDITOR": json.dumps({"kind": kind(path), "path": where})}, inputs)

    async def used(self, workspace: Workspace) -> Use | None:
        """By the bytes that browsers send and get: an open page is use."""
        try:
            answer = await workspace.worker.request("GET", "/sagewright/use", {}, seconds=SECONDS)
            return Use(float(json.loads(answer.body)["last"]), False) if answer.good else None
        except (Broken, TimeoutError, ValueError, KeyError):
            return None

    def landing(self, base: str, path: str) -> str:
        folder = f"{HOME}/{path.lstrip('/')}".rstrip("/")
        return f"{base}?folder={quote(folder)}"


def found(setting: str) -> Path:
    """The editor's program. Raises Invalid, saying what to install."""
    for name in (setting,) if setting else KINDS:
        if where := shutil.which(name):
            return Path(where).resolve()
    raise Invalid(f"The setting code_editor names {setting}, which is no program here." if setting else MISSING)


def kind(path: Path) -> str:
    return KINDS[1] if "openvscode" in path.name else KINDS[0]


def installed(path: Path) -> Path:
    """The folder that an editor needs to run: its installation where that can be told, else the folder that it lies in.

    Never more: what lies beside an editor in somebody's home is not the workspaces' to see.
    """
    above = path.parent.parent
    return above if any((above / name).is_file() for name in ("package.json", "product.json")) else path.parent


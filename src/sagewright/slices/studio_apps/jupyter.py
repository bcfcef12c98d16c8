"""Apps of Studio that are JupyterLab: an ``AppRunner``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ...resources import jobs
from ...resources.apps import ACTIVITY, APP, IDLE
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Input, Task
from ...stores.images import UnknownImage
from ...stores.records import Record
from ...wire.errors import Invalid
from . import activity, lab
from .keys import Keys
from .repositories import CodeRepositories, of_settings
from .sessions import Sessions
from .table import Facts, Table, Workspace, name_of

BASES = {"JupyterLab": "/jupyterlab/default/", "JupyterServer": "/jupyter/default/", "CodeEditor": "/codeeditor/default/"}
"""AppType → path below which such apps answer, as AWS has them."""
GROUPS = {"JupyterLab": "JupyterLabAppSettings", "JupyterServer": "JupyterServerAppSettings", "CodeEditor": "CodeEditorAppSettings"}
LANDINGS = {"CodeEditor": ""}
"""AppType → what browsers see first below its base, where that is not JupyterLab's."""
HOME = "/home/sagemaker-user"
LOGS = "/aws/sagemaker/studio"
WATCH = 60.0
"""Seconds between two looks at an app in service."""
SESSION = "SageMaker"


@dataclass(frozen=True, slots=True)
class Program:
    """What makes a workspace run something else than JupyterLab."""

    env: dict[str, str] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)


class JupyterApps:
    """Runs the apps of one platform."""

    def __init__(self, platform: Platform, table: Table, sessions: Sessions, keys: Keys, repositories: CodeRepositories) -> None:
        self.platform, self.table, self.sessions, self.keys, self.repositories = platform, table, sessions, keys, repositories
        table.readers[APP] = facts

    async def task(self, job: Job, task: str) -> Task:
        doc = job.doc
        spec, role, region = doc["ResourceSpec"], doc["_role"], job.record.scope.split("/", 1)[1]
        env = await jobs.container_environment(self.platform, job.record, None, isolated=False, session="", seconds=0.0)
        owner = doc.get("SpaceName") or doc["UserProfileName"]
        where: dict[str, Any] = {m: doc[m] for m in ("DomainId", "SpaceName", "UserProfileName") if m in doc}
        env |= {"SAGEMAKER_APP_TYPE": doc["AppType"], "SAGEMAKER_DOMAIN_ID": doc["DomainId"], "REGION_NAME": region}
        if "SpaceName" in doc:
            env["SAGEMAKER_SPACE_NAME"] = doc["SpaceName"]
        if doc["_user"]:
            env["SAGEMAKER_USER_PROFILE_NAME"] = doc["_user"]
        if not doc["RecoveryMode"]:
            given = of_settings(doc["_settings"], GROUPS[doc["AppType"]])
            env |= self.repositories.environment(await self.repositories.meant(job.record.scope, given), HOME)
        program = self.program()
        env |= program.env
        return lab.task(
            task,
            tag=self._tag(spec),
            instance_type=spec["InstanceType"],
            env=env,
            files=self.repositories.files() | await self.keys.files(job, task, doc["AppArn"], role, SESSION),
            metadata={
                "AppType": doc["AppType"], **where, "ExecutionRoleArn": role, "ResourceArn": doc["AppArn"],
                "ResourceName": doc["AppName"], "AppImageVersion": "",
            },
            inputs=program.inputs,
            home=HOME,
            root=HOME,
            base=BASES[doc["AppType"]],
            volumes={HOME: doc["_volume"]},
            group=LOGS,
            stream=f"{doc['DomainId']}/{owner}/{doc['AppType']}/{doc['AppName']}",
            scripts=[lab.Script("LifecycleConfigOnStart", doc["_script"])] if doc.get("_script") else [],
            shared=await self._shared(job.record),
        )

    def lacks(self) -> str:
        return ""

    async def watch(self, job: Job) -> float | None:
        doc = job.doc
        workspace = self.table.get(name_of(doc["AppArn"]))
        if workspace is None or not doc.get("_task"):
            return None
        await self.keys.renew(job, doc["_task"], doc["AppArn"], doc["_role"], SESSION)
        found, now = await self.used(workspace), self.platform.clock()
        if found is None:
            return WATCH
        await job.send(ACTIVITY, At=now if found.busy else found.last, Healthy=now)
        if activity.idle(found, activity.timeout(doc["_settings"], GROUPS[doc["AppType"]]), now):
            await job.send(IDLE)
            return None
        return WATCH

    async def clear(self, job: Job) -> None:
        self.keys.forget(job.doc["AppArn"])

    async def open(self, record: Record, *, who: str, seconds: float, lasts: float, path: str = "") -> str:
        about = facts(record.doc)
        if about is None or not about.sockets:
            raise Invalid(f"The app {record.doc['AppArn']} is not in service: its status is {record.status}.")
        path = self.landing(about.base, path)
        return await self.sessions.url(
            self.table.url(about.arn), name_of(about.arn), about.born, who=who, path=path, seconds=seconds, lasts=lasts
        )

    # -- what other programs do otherwise

    def program(self) -> Program:
        """Raises Invalid where it cannot run on this machine."""
        return Program()

    async def used(self, workspace: Workspace) -> activity.Use | None:
        return await activity.ask(workspace.worker, workspace.base)

    def landing(self, base: str, path: str) -> str:
        return f"{base}lab/tree/{quote(path.lstrip('/'))}" if path else f"{base}lab"

    async def _shared(self, record: Record) -> bool:
        """Whether several profiles work in the app's space."""
        space = await self.platform.records.get("Space", record.scope, f"{record.doc['DomainId']}/{record.doc.get('SpaceName', '')}".lower())
        return space is not None and space.doc.get("SpaceSharingSettings", {}).get("SharingType", "Shared") == "Shared"

    def _tag(self, spec: Mapping[str, Any]) -> str:
        """The image's tag: the alias or version that the app names, if there is such a one. Raises Invalid."""
        tag = str(spec.get("SageMakerImageVersionAlias") or "latest")
        try:
            return self.platform.images.resolve(f"{lab.IMAGE}:{tag}").tag
        except UnknownImage as error:
            raise Invalid(str(error)) from None


def facts(doc: Mapping[str, Any]) -> Facts | None:
    """What an App's document says of its workspace."""
    base = BASES.get(doc["AppType"])
    return None if base is None else Facts(
        doc["AppArn"], base, doc["_volume"], doc.get("_sockets") or [], LANDINGS.get(doc["AppType"], "lab")
    )

"""Temporary keys of a workspace's role: a file that every AWS client reads anew before they end, and fresh ones in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ...gateway.answer import Broken
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.identity import Credentials
from .table import Table, name_of

FILE, CONFIG = "/opt/ml/workspace/credentials.json", "/opt/ml/workspace/aws-config"
LASTS = 6 * 3600.0
"""Seconds that keys are good for. A server that is away for longer finds workspaces without rights, and gives them new ones."""
RENEW = LASTS / 2
"""Seconds before their end at which keys are replaced."""
PATH = "/sagewright/credentials"


class Keys:
    """The keys of every workspace of one platform."""

    def __init__(self, platform: Platform, table: Table) -> None:
        self.platform, self.table = platform, table
        self._ends: dict[str, float] = {}
        """ARN of a workspace → when the keys that it has end; those of an earlier server are not in it, and get new ones."""

    async def files(self, job: Job, task: str, arn: str, role: str, session: str) -> dict[str, str]:
        """The files that give a task its first keys. Raises Invalid: no such role, or it does not trust the service."""
        region = job.record.scope.split("/", 1)[1]
        config = f"[default]\nregion = {region}\ncredential_process = cat {FILE}\n"
        made = await self._new(job, task, role, session)
        self._ends[arn] = made.expires
        return {CONFIG: config, FILE: json.dumps(_form(made))}

    async def renew(self, job: Job, task: str, arn: str, role: str, session: str) -> None:
        """Give a running workspace new keys if its own are old. One that does not answer is asked again next time."""
        workspace = self.table.get(name_of(arn))
        if workspace is None or self._ends.get(arn, 0.0) - self.platform.clock() > RENEW:
            return
        made = await self._new(job, task, role, session)
        body = json.dumps(_form(made)).encode()
        try:
            answer = await workspace.worker.request("PUT", PATH, {"Content-Type": "application/json"}, body, seconds=10.0)
        except (Broken, TimeoutError):
            return
        if answer.good:
            self._ends[arn] = made.expires

    def forget(self, arn: str) -> None:
        self._ends.pop(arn, None)

    async def _new(self, job: Job, task: str, role: str, session: str) -> Credentials:
        assert self.platform.identity is not None
        made = await self.platform.identity.role_credentials(role, session, LASTS)
        await job.send("Keyed", Task=task, Key=made.access_key)  # they are revoked with the task
        return made


def _form(keys: Credentials) -> dict[str, Any]:
    """As the AWS clients' ``credential_process`` answers."""
    return {
        "Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, "SessionToken": keys.session_token,
        "Expiration": datetime.fromtimestamp(keys.expires, UTC).isoformat(timespec="seconds"),
    }

"""Identity as other slices see it: act as a role, hand a role's temporary keys to a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

JOBS = "sagemaker.amazonaws.com"
"""Whom a role trusts that jobs, endpoints and profiles act as."""
STUDIO = "studio.sagemaker.amazonaws.com"
"""Whom a role trusts that only a browser's session of Studio acts as: no job can be given it."""

SCHEDULER = "scheduler.amazonaws.com"
"""Whom a role trusts that schedules call their targets as."""


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    session_token: str
    expires: float


class Vault(Protocol):
    """Encrypts short secrets for the records, with a key that lies beside them and not in them. Provided by the identity slice."""

    def seal(self, secret: str, owner: str) -> str:
        """The secret as it may be kept, for this owner alone."""
        ...

    def open(self, sealed: str, owner: str) -> str | None:
        """None if it was sealed with another key or for another owner."""
        ...


class Identity(Protocol):
    """Provided by the identity slice."""

    async def role_credentials(self, role_arn: str, session: str, seconds: float, service: str = JOBS) -> Credentials:
        """Temporary keys of a role that trusts the service.

        Raises:
            Invalid: no such role, or it does not trust the service (AWS's wording).
        """
        ...

    async def task_credentials(self, task: str, policy: str, seconds: float) -> Credentials:
        """Temporary keys for what carries out a task elsewhere: they may do what the policy document says, nothing else."""
        ...

    async def revoke(self, access_key: str) -> None:
        """End a session before its time; unknown keys are fine."""
        ...

    async def allowed(self, role_arn: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> str:
        """Empty if the role may do ``action`` on the ARN ``resource``, else the sentence that says why not."""
        ...

    async def role_principal(self, role_arn: str, session: str, service: str = JOBS) -> Any:
        """The wire ``Principal`` of a session of the role, for in-process calls on its behalf."""
        ...

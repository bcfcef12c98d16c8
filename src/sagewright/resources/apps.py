"""What runs the apps of Studio: the seam between their records and whoever starts, watches and clears them.

The studio slice keeps an App's record, its lifecycle and its tasks' ends; a slice that can run a type of app puts an
``AppRunner`` into ``platform.app_runners`` under the AppType (``JupyterLab``). An App whose type nobody runs fails, and says so.

An App's document has, besides what CreateApp was given, the members that a runner needs:

=============  ====================================================================================================
``AppArn``     its ARN; ``DomainId``, ``AppType``, ``AppName`` and one of ``UserProfileName`` and ``SpaceName`` name it
``ResourceSpec``  with the defaults filled in: ``InstanceType`` always, ``LifecycleConfigArn`` where one applies
``_settings``  the effective settings (space over user profile over domain), as ``UserSettings`` has them
``_role``      ARN of the execution role
``_user``      the profile it works for: of the app, or the owner of its space; empty for a shared space without one
``_volume``    name of the volume that holds the home folder; it outlives the app (``Task.volumes``)
``_script``    text of the lifecycle configuration to run at the start; absent without one
``_task``      id of its task while it has one
``_sockets``   where the task answers once it is InService (Unix socket paths, as the Ready report tells)
=============  ====================================================================================================
"""

from __future__ import annotations

from typing import Protocol

from ..runtime.reconciler import Job
from ..stores.compute import Task
from ..stores.records import Record

APP = "App"
"""Kind of the records; their key is ``<domain>/<profile or space>/<type>/<name>`` in lower case, as their ARNs end."""
ACTIVITY = "Activity"
"""Event to an App in service: somebody used it. Data: ``At``, epoch seconds of the last activity; ``Healthy``, of the last
answered health check. Both may be left out."""
IDLE = "Idle"
"""Event to an App in service: nobody has used it for as long as its settings allow; it is deleted, its home stays."""
REFUSED = "Refused"
"""Event to a Pending App: it cannot run. Data: ``Reason``."""


class AppRunner(Protocol):
    """Runs one type of app. Every method may be called again after a crash in its middle."""

    def lacks(self) -> str:
        """What this machine has to get before such apps run, as a sentence; empty where they do."""
        ...

    async def task(self, job: Job, task: str) -> Task:
        """The task that runs the App of ``job.record``: kind ``serve``, id ``task``. Its reports move the App: Ready →
        InService, an exit with code 0 → deleted (somebody shut it down from inside), any other end → Failed.

        Raises:
            DomainError: it cannot run; the App fails with the message.
        """
        ...

    async def watch(self, job: Job) -> float | None:
        """Look after an App in service: called once it is so, and again after as many seconds as it answers; None ends that.
        Sends ``ACTIVITY`` and ``IDLE`` by ``job.send``."""
        ...

    async def clear(self, job: Job) -> None:
        """Let go of whatever was kept for an App whose tasks are gone. The home folder is not the runner's to remove."""
        ...

    async def open(self, record: Record, *, who: str, seconds: float, lasts: float, path: str = "") -> str:
        """A URL that opens an App in a browser: once, within ``seconds``; what it opens lasts for ``lasts`` more.

        Whether ``who`` may, the caller has decided. It is what the app shows of its visitor, such as ``d-1/alice``.
        ``path``: what to show, below the app's own address, as LandingUri has it after ``app:JupyterLab:``.

        Raises:
            Invalid: the app is not in service.
        """
        ...

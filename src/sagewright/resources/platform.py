"""What a slice is installed on: the ports, the table of operations, and the in-process client."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..gateway.capture import Recorder
    from ..gateway.routes import Mirror, Route
    from ..runtime.reconciler import Reconciler
    from ..settings import Settings
    from ..stores.compute import Compute
    from ..stores.identity import Identity, Vault
    from ..stores.image_registry import ImageRegistry
    from ..stores.images import Images
    from ..stores.logs import Logs
    from ..stores.metrics import Metrics
    from ..stores.objects import Objects
    from ..stores.records import Append, Query, Record, Records
    from ..stores.runs import Runs
    from ..wire.doors import Door
    from ..wire.exchange import Asgi
    from ..wire.operations import Operations
    from ..wire.types import Authority, Call, Principal
    from .apps import AppRunner
    from .desk import Desk
    from .search import Search
    from .shape import Shapes
    from .tasks import Tasks


class Api(Protocol):
    """The in-process client: validated, authorised and audited like a call from outside."""

    async def call(
        self, service: str, operation: str, params: dict[str, Any], principal: Principal, region: str = "", source: str = ""
    ) -> dict[str, Any]:
        """The operation's result. ``source``: ARN of the resource on whose behalf; the new document keeps it as ``_source``.

        Raises:
            DomainError: as the operation raised it.
        """
        ...


class Admit(Protocol):
    """Checks what one member of a Create request means, and may complete the document. Raises DomainError."""

    async def __call__(self, call: Call, doc: dict[str, Any]) -> None: ...


class AlarmAction(Protocol):
    """Carries out an action of an alarm, at least once."""

    async def __call__(self, action: str, scope: str, alarm: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        """``action``: its ARN. ``alarm``: the alarm's document. ``change``: ``State`` it is in, state it ``Was`` in (the same
        when an action of a lasting state is repeated), ``Reason``, and ``Data``, the StateReasonData (JSON, maybe empty).

        Raises:
            DomainError: it cannot be carried out; the alarm's history tells why.
        """
        ...


class Servant(Protocol):
    """Answers for endpoints that are no list of instances: finds each request one when it comes."""

    def serves(self, scope: str, name: str) -> bool:
        """Whether the endpoint of that name, in whatever case, is one of its own."""
        ...

    async def answer(self, call: Call, ask: Callable[[Call, Route], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The answer to an invocation. ``ask``: the verb, on a route that leads to where this request may go.

        Raises:
            ServiceError: with the runtime's codes.
        """
        ...

    async def drain(self, record: Record, sockets: Sequence[str], seconds: float) -> None:
        """Wait until no request is under way on tasks that told these sockets, which ``record`` does not serve with any
        more; ``seconds`` at most."""
        ...


class Searched(Protocol):
    """What Search must know of a noun beyond its documents."""

    async def candidates(self, scope: str, among: Mapping[str, Sequence[str]]) -> list[Record] | None:
        """The only records that can match, when one of the choices (property → values, one of which every match has)
        narrows them down by more than a member of the document; None when not."""
        ...

    async def page(self, scope: str, search: Search, sort_by: str, order: Query) -> tuple[list[Record], list[float], int] | None:
        """Records, their places in the order, and how many match in all: of a search whose order an index has. None for any other.

        ``order``: direction and size of the page, and (place, key) of the record that it follows.
        """
        ...

    async def places(self, scope: str, search: Search, sort_by: str) -> list[tuple[tuple[int, Any], str]] | None:
        """(sort value, key) of every record that matches, in any order: of a search for which that needs few documents. None for any other."""
        ...

    async def complete(self, records: Sequence[Record], properties: Sequence[str] | None) -> list[dict[str, Any]]:
        """The documents with the members that are kept elsewhere: all for an answer (None), or what these properties need."""
        ...


@dataclass(slots=True)
class Platform:
    """Built once by ``bootstrap``; every slice's ``install(platform)`` binds its operations to it."""

    settings: Settings
    records: Records
    objects: Objects
    logs: Logs
    metrics: Metrics
    runs: Runs
    compute: Compute
    images: Images
    operations: Operations
    reconciler: Reconciler
    tasks: Tasks
    api: Api
    shapes: Callable[[str], Shapes]
    """The service model of a service, such as ``sagemaker``."""
    clock: Callable[[], float] = time.time
    nouns: dict[str, Desk] = field(default_factory=dict)
    """ARN type, such as ``training-job``, → desk; filled as resources are installed."""
    audit: Callable[[Call, Mapping[str, Any]], Append | None] = lambda call, result: None
    """The audit record of a call and its result, to be stored with the change itself; None where there is none to keep."""
    admissions: dict[str, Admit] = field(default_factory=dict)
    """Member of a Create request, such as ``ExperimentConfig`` → who checks it for every noun, after the noun's own check."""
    variables: dict[str, Callable[[Record], Awaitable[dict[str, str]]]] = field(default_factory=dict)
    """Member of a job's document, such as ``MlflowConfig`` → the variables that its containers get besides the usual ones."""
    searched: dict[str, Searched] = field(default_factory=dict)
    """Noun → what Search must know of it beyond its documents."""
    alarm_actions: dict[str, AlarmAction] = field(default_factory=dict)
    """Service of an action's ARN, such as ``autoscaling`` → who carries out such actions of CloudWatch alarms."""
    servants: dict[str, Servant] = field(default_factory=dict)
    """Member of what a deployment keeps of a variant, such as ``Serverless`` → who answers for endpoints that have it."""
    app_runners: dict[str, AppRunner] = field(default_factory=dict)
    """AppType of Studio, such as ``JupyterLab`` → who runs such apps."""
    gpus: int = 0
    """GPUs of this machine that jobs may use."""
    endpoint: str = ""
    """Base URL of this server, as jobs reach it."""
    authority: Authority | None = None
    """Set by the identity slice."""
    identity: Identity | None = None
    """Set by the identity slice."""
    vault: Vault | None = None
    """Keeps other slices' secrets; set by the identity slice."""
    gateway: Mirror | None = None
    """The gateway process, which keeps its routes in step with those of the server."""
    recorder: Recorder | None = None
    """Keeps the captured requests that this process answers; set by the hosting slice."""
    doors: dict[str, Door] = field(default_factory=dict)
    """Header name → what answers signed requests that carry it and are no AWS operation."""
    pages: dict[str, Asgi] = field(default_factory=dict)
    """Name → the ASGI app of ``/_sagewright/<name>``; it authenticates its callers itself."""
    home: str = ""
    """Path of the pages that a person's browser is sent to from the server's bare address."""
    paths: dict[str, Asgi] = field(default_factory=dict)
    """First component of a path → the ASGI app below it, for protocols whose paths are fixed; it authenticates its callers
    itself."""
    workspaces: Asgi | None = None
    """What answers on the port of the workspaces; it authenticates its callers itself. Without one, the port stays closed."""
    workspace_url: str = ""
    """URL of a workspace as browsers see it, ``*`` in place of its name."""
    image_registry: ImageRegistry | None = None
    """The container images of this server."""
    closers: list[Callable[[], Any]] = field(default_factory=list)
    """Called, and awaited if awaitable, in reverse order at shutdown."""
    starters: list[Callable[[], Any]] = field(default_factory=list)
    """Called, and awaited if awaitable, once after every slice is installed and before the port opens."""

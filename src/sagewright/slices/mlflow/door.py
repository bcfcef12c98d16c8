"""The way in for signed requests: the sagemaker-mlflow plugin names its server in a header and signs every REST call."""

from __future__ import annotations

from ...resources.platform import Platform
from ...wire.doors import Door, Visit
from ...wire.errors import AccessDenied, DomainError
from ...wire.http import Answer
from .access import CALL_APP, action, decoded
from .forward import forward, refusal, refused
from .register import Registrar
from .servers import Servers

HEADERS = ("x-mlflow-sm-tracking-server-arn", "x-sm-mlflow-app-arn")
SERVICES = frozenset({"sagemaker-mlflow", "sagemaker"})


class SignedDoor:
    """Answers for every server of one platform."""

    def __init__(self, platform: Platform, servers: Servers, registrar: Registrar) -> None:
        self.platform, self.servers, self.registrar = platform, servers, registrar

    def install(self) -> None:
        door = Door(SERVICES, self.answer, refusal)
        self.platform.doors |= dict.fromkeys(HEADERS, door)

    async def answer(self, visit: Visit) -> Answer:
        """MLflow's answer, or a refusal in its form."""
        try:
            return await self._answer(visit)
        except DomainError as error:
            return refused(error)

    async def _answer(self, visit: Visit) -> Answer:
        request = visit.request
        where = next(request.headers[h] for h in HEADERS if h in request.headers)
        path = decoded(request.path)
        needed = action(request.method, path)
        server = self.servers.by_arn(where)
        self._authorize(visit, CALL_APP if ":mlflow-app/" in where else needed, where)
        if server is None:
            raise AccessDenied(f"There is no {where}, or you may not use it.")
        answer = await forward(
            server, request.method, request.path, request.query, request.headers, visit.body, visit.length,
            decoded=path, limit=self.platform.settings.max_body,
        )
        return await self.registrar.noticed(server, request.method, path, answer)

    def _authorize(self, visit: Visit, needed: str, where: str) -> None:
        """Raises AccessDenied."""
        if self.platform.authority and visit.principal.kind != "root":
            context = {"aws:SourceIp": visit.request.source_ip, "aws:PrincipalArn": visit.principal.arn}
            self.platform.authority.authorize(visit.principal, needed, where, context)



"""The pages' address, ``/_sagewright/studio/``: endpoints below ``api/`` and ``auth``, files for everything else."""

from __future__ import annotations

import contextlib

from ...resources.platform import Platform
from ...wire.answers import Disconnected, Receive, Send
from ...wire.errors import DomainError
from ...wire.exchange import Exchange, Scope, exchange_of
from ...wire.http import Answer
from ...wire.middlewares import finish
from .answers import guarded, refused
from .endpoints import Endpoints
from .places import HOME
from .static import Static


class Pages:
    """An ASGI app."""

    def __init__(self, platform: Platform, endpoints: Endpoints, static: Static) -> None:
        self.platform, self.endpoints, self.static = platform, endpoints, static

    def install(self) -> None:
        self.platform.pages["studio"] = self
        self.platform.home = HOME

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            answer = await self._answer(exchange)
        except DomainError as error:
            answer = guarded(refused(error, exchange.request_id))
        with contextlib.suppress(Disconnected):  # a stream's browser goes away whenever it likes
            await finish(exchange, answer, send)

    async def _answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        if not request.path.startswith(HOME):
            query = f"?{request.query}" if request.query else ""
            return guarded(Answer(308, {"location": HOME + query}))
        path = request.path[len(HOME) :]
        if path == "auth" or path == "api" or path.startswith("api/"):
            return guarded(await self.endpoints.answer(exchange, path))
        return await self.static.answer(request, path)

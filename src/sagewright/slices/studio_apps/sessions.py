"""URLs that open a workspace once, and the sessions that they open: one workspace, one visitor, until when."""

from __future__ import annotations

from dataclasses import dataclass

from ...resources.platform import Platform
from ...resources.seals import Seals
from ...resources.tickets import Tickets

AUTH = "/_sagewright/auth"
COOKIE = "sagewright-workspace"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and where it leads first."""

    session: str
    seconds: int
    path: str


class Sessions:
    """Sessions of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.tickets, self.seals = Tickets(platform, "WorkspaceUrl"), Seals(platform, "WorkspaceSessionKey")

    async def url(self, where: str, name: str, born: str, *, who: str, path: str, seconds: float, lasts: float) -> str:
        """A URL that opens a workspace: once, within ``seconds``; its session ends after ``lasts`` more.

        Args:
            where: the workspace's own address.
            path: where the browser goes then, below that.
        """
        about = {"Workspace": name, "Born": born, "Who": who, "Path": path, "Lasts": int(lasts)}
        return f"{where}{AUTH}?authToken={await self.tickets.issue(about, seconds)}"

    async def open(self, name: str, born: str, token: str) -> Opened | None:
        """The session that a URL's token opens, the first time and in time; else None."""
        said = await self.tickets.redeem(token, Workspace=name, Born=born)
        if said is None:
            return None
        session = await self.seals.seal({"Workspace": name, "Born": born, "Who": said["Who"]}, said["Lasts"])
        return Opened(session, said["Lasts"], said["Path"])

    async def who(self, name: str, born: str, session: str) -> str | None:
        """Who opened a session that is good for this workspace now; None if it is not."""
        said = await self.seals.opened(session, Workspace=name, Born=born) if session else None
        return None if said is None else str(said["Who"])

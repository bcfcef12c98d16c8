"""What the tests lean on: a server of theirs leaves nobody behind."""

from __future__ import annotations

import pytest

from sagewright.agent.layout import socket_folder
from sagewright.testing.models import Models
from sagewright.testing.processes import living
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


@pytest.mark.parametrize("folder", ["data", "a-folder-whose-name-is-so-long-that-no-socket-fits-below-it"])
def test_agents_end_with_their_server_wherever_its_data_lie(tmp_path_factory: pytest.TempPathFactory, folder: str) -> None:
    """An endpoint outlives its server: whoever is done with both has to find its processes."""
    with TestServer(tmp_path_factory.mktemp("s") / folder) as server:
        Models(server).deploy()
        sockets = socket_folder(server.data)
        assert sockets.is_relative_to(server.data) == (folder == "data")
        family = {child for process in server.processes() for child in (process, *process.children(recursive=True))}
        assert any("sagewright.agent.launcher" in " ".join(process.cmdline()) for process in family)
    until(lambda: not living(lambda p: True, family), why=lambda: str(family))
    assert server.processes() == []
    assert sockets.is_relative_to(server.data) or not any(sockets.iterdir())

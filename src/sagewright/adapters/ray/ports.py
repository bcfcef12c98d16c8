"""What an agent on a node works through: the server's S3 with keys of the task's own, and a spool for logs and metrics.

The launcher imports this module, so that its forks need not load boto3 again.
"""

from __future__ import annotations

import json
import time
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from ...agent.layout import Layout
from ...agent.ports import AgentPorts
from ...stores.compute import Task
from ...stores.images import Images
from ...stores.logs import Logs
from ...stores.metrics import Metrics
from ..s3 import S3Objects
from .spool import Spool

STORAGE = "storage.json"
"""File in a task's folder: {"url", "region", "owner", "access_key", "secret_key", "session_token"}."""


AWAY = 3600.0
"""Seconds that a request waits for a server that is not there: it may be started again, and what a job has made is not to be lost."""
AGAIN, LONGEST = 0.1, 2.0
"""Seconds between its tries; doubled each time, up to the longest."""


def _until_it_is_back(caught_exception: Exception | None, request_dict: dict[str, Any], attempts: int, **_: Any) -> float | None:
    """As botocore asks its handlers: how many seconds to wait before the next try; None leaves it to the other handlers."""
    if not isinstance(caught_exception, EndpointConnectionError):
        return None
    began = request_dict["context"].setdefault("sagewright_away_since", time.monotonic())
    if time.monotonic() - began > AWAY:
        return None
    return float(min(AGAIN * 2 ** min(attempts, 10), LONGEST))


class Store:
    """An S3 client that is made before the task is known, because that takes longer than a short task."""

    def __init__(self, url: str, region: str) -> None:
        session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=region)
        self.url = url
        # the client signs with this very object, whatever it holds by then
        self._keys = session.get_credentials()
        retries = {"mode": "standard", "max_attempts": 8}
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=50, retries=retries)
        self.client = session.client("s3", endpoint_url=url, region_name=region, config=config)
        self.client.meta.events.register_first("needs-retry.s3", _until_it_is_back)

    def use(self, access_key: str, secret_key: str, session_token: str) -> None:
        self._keys.access_key, self._keys.secret_key, self._keys.token = access_key, secret_key, session_token


def agent_ports(url: str, region: str, images: Images) -> AgentPorts:
    """Ports of an agent that has no task yet: bound to one, they reach what that task may."""
    store = Store(url, region)
    nothing: Any = None

    def bind(layout: Layout, task: Task) -> AgentPorts:
        about = json.loads((layout.folder / STORAGE).read_text())
        chosen = store if about["url"] == store.url else Store(about["url"], about["region"])
        chosen.use(about["access_key"], about["secret_key"], about["session_token"])
        spool = Spool(layout)
        objects = S3Objects(about["url"], region=about["region"], owner=about["owner"], client=chosen.client)
        return AgentPorts(objects, cast(Logs, spool), cast(Metrics, spool), images)

    return AgentPorts(nothing, nothing, nothing, images, bind)

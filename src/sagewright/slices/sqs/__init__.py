"""Amazon SQS: standard queues, durable in the records. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .broker import Broker
from .messages import Messages
from .queues import Queues


def install(platform: Platform) -> None:
    """Bind the operations of queues and messages."""
    queues = Queues(platform, Broker(platform))
    queues.install()
    Messages(queues).install()

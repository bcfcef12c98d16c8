"""Amazon SNS: standard topics that deliver to SQS queues. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .publish import Publisher
from .subscriptions import Subscriptions
from .topics import Topics


def install(platform: Platform) -> None:
    """Bind the operations of topics, subscriptions and publications."""
    topics = Topics(platform)
    topics.install()
    Subscriptions(topics).install()
    Publisher(topics).install()

"""Log groups and streams: what CloudWatch Logs keeps of them, over files."""

from __future__ import annotations

import asyncio
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...stores.logs import LogStream
from ...stores.records import Delete, Put
from ...wire.errors import AlreadyExists, Invalid, NotFound, ServiceError
from ...wire.types import Call

RETENTION = "LogRetention"
"""Record kind: what a group's files cannot say of it."""


def group_arn(call: Call, name: str) -> str:
    return arn("logs", call.region, call.account, f"log-group:{name}")


def group_of(call: Call) -> str:
    """The group a call names, by name or by ARN."""
    name: str = call.params.get("logGroupName") or call.params.get("logGroupIdentifier") or ""
    if not name:
        raise ServiceError("InvalidParameterException", "logGroupName or logGroupIdentifier is required.")
    return name.split(":log-group:", 1)[-1].removesuffix(":*") if name.startswith("arn:") else name


def on_group(call: Call) -> list[str]:
    """What a call on a group acts on, for policies."""
    name = call.params.get("logGroupName") or call.params.get("logGroupIdentifier")
    return [group_arn(call, f"{group_of(call)}:*") if name else "*"]


def on_stream(call: Call) -> list[str]:
    stream = call.params.get("logStreamName", "*")
    return [group_arn(call, f"{group_of(call)}:log-stream:{stream}")]


def no_group() -> NotFound:
    return NotFound("The specified log group does not exist.")


def no_stream() -> NotFound:
    return NotFound("The specified log stream does not exist.")


class Groups:
    """The verbs on groups and streams of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.logs = platform, platform.logs

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, handler, resources in (
            ("CreateLogGroup", self.create_group, on_group), ("DeleteLogGroup", self.delete_group, on_group),
            ("DescribeLogGroups", self.describe_groups, None), ("CreateLogStream", self.create_stream, on_stream),
            ("DeleteLogStream", self.delete_stream, on_stream), ("DescribeLogStreams", self.describe_streams, on_group),
            ("PutRetentionPolicy", self.put_retention, on_group), ("DeleteRetentionPolicy", self.delete_retention, on_group),
        ):
            bind("logs", name, handler, resources=resources)

    async def create_group(self, call: Call) -> None:
        if not await asyncio.to_thread(self.logs.create_group, group_of(call)):
            raise AlreadyExists("The specified log group already exists")

    async def delete_group(self, call: Call) -> None:
        if not await asyncio.to_thread(self.logs.delete_group, group_of(call)):
            raise no_group()
        await self.platform.records.commit(Delete(RETENTION, "", group_of(call)))

    async def describe_groups(self, call: Call) -> dict[str, Any]:
        pattern = call.params.get("logGroupNamePattern", "").lower()
        names = await asyncio.to_thread(self.logs.groups, call.params.get("logGroupNamePrefix", ""))
        names = [n for n in names if pattern in n.lower()]
        page, token = paged(names, call.params.get("nextToken"), call.params.get("limit", 50))
        groups = []
        for name in page:
            streams = await asyncio.to_thread(self.logs.streams, name)
            about: dict[str, Any] = {
                "logGroupName": name, "arn": group_arn(call, f"{name}:*"), "logGroupArn": group_arn(call, name),
                "storedBytes": sum(s.size for s in streams), "metricFilterCount": 0, "logGroupClass": "STANDARD",
                "creationTime": min((s.created for s in streams), default=0),
            }
            record = await self.platform.records.get(RETENTION, "", name)
            if record:
                about["retentionInDays"] = record.doc["Days"]
            groups.append(about)
        return {"logGroups": groups} | ({"nextToken": token} if token else {})

    async def create_stream(self, call: Call) -> None:
        group = group_of(call)
        await self.check_group(group)
        if not await asyncio.to_thread(self.logs.create_stream, group, call.params["logStreamName"]):
            raise AlreadyExists("The specified log stream already exists")

    async def delete_stream(self, call: Call) -> None:
        group = group_of(call)
        await self.check_group(group)
        if not await asyncio.to_thread(self.logs.delete_stream, group, call.params["logStreamName"]):
            raise no_stream()

    async def describe_streams(self, call: Call) -> dict[str, Any]:
        group, prefix = group_of(call), call.params.get("logStreamNamePrefix", "")
        await self.check_group(group)
        by_time = call.params.get("orderBy", "LogStreamName") == "LastEventTime"
        if by_time and prefix:
            raise ServiceError("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = await asyncio.to_thread(self.logs.streams, group, prefix)
        streams.sort(key=(lambda s: (s.last or 0, s.name)) if by_time else (lambda s: s.name))
        if call.params.get("descending"):
            streams.reverse()
        page, token = paged(streams, call.params.get("nextToken"), call.params.get("limit", 50))
        answer = {"logStreams": [self._about(call, group, s) for s in page]}
        return answer | ({"nextToken": token} if token else {})

    async def put_retention(self, call: Call) -> None:
        group = group_of(call)
        await self.check_group(group)
        await self.platform.records.commit(Put(RETENTION, "", group, {"Days": call.params["retentionInDays"]}))

    async def delete_retention(self, call: Call) -> None:
        group = group_of(call)
        await self.check_group(group)
        await self.platform.records.commit(Delete(RETENTION, "", group))

    async def check_group(self, group: str) -> None:
        """Raises NotFound unless the group exists."""
        if group not in await asyncio.to_thread(self.logs.groups, group):
            raise no_group()

    def _about(self, call: Call, group: str, stream: LogStream) -> dict[str, Any]:
        about: dict[str, Any] = {
            "logStreamName": stream.name, "creationTime": stream.created, "storedBytes": stream.size,
            "arn": group_arn(call, f"{group}:log-stream:{stream.name}"), "uploadSequenceToken": "0",
        }
        if stream.first is not None and stream.last is not None:
            about |= {"firstEventTimestamp": stream.first, "lastEventTimestamp": stream.last, "lastIngestionTime": stream.last}
        return about


def paged(items: list[Any], token: str | None, size: int) -> tuple[list[Any], str]:
    """One page by offset, and the next token; raises Invalid for a foreign token."""
    if token is not None and (not token.isdigit() or int(token) > len(items)):
        raise Invalid("The specified nextToken is invalid.")
    start = int(token or 0)
    end = start + size
    return items[start:end], str(end) if end < len(items) else ""

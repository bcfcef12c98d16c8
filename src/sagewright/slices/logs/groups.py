"""Log groups and streams. Files are the truth of what exists; a record keeps what files cannot say of a group."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import logging
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...stores.logs import LogStream
from ...stores.records import Conflict, Delete, Put
from ...wire.errors import AlreadyExists, NotFound, ServiceError
from ...wire.types import Call

KIND = "LogGroup"
"""Record kind, in the scope "" because all regions share the files: {Created: ms, Days, Tags}."""
DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
DAY = 86_400_000
MOST_TAGS = 50
EXPIRE_EVERY = 3600.0
log = logging.getLogger(__name__)


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def group_arn(call: Call, name: str) -> str:
    return arn("logs", call.region, call.account, f"log-group:{name}")


def group_of(call: Call) -> str:
    """The group a call names, by name or by ARN."""
    name, identifier = call.params.get("logGroupName"), call.params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    return _from_arn(name or identifier or "")


def _from_arn(text: str) -> str:
    return text.split(":log-group:", 1)[-1].removesuffix(":*") if text.startswith("arn:") else text


def on_group(call: Call) -> list[str]:
    """What a call on a group acts on, for policies."""
    name = call.params.get("logGroupName") or call.params.get("logGroupIdentifier") or call.params.get("resourceArn")
    return [group_arn(call, f"{_from_arn(name)}:*") if name else "*"]


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
        self.platform, self.logs, self.records = platform, platform.logs, platform.records
        self._expiring: asyncio.Task[None] | None = None

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, handler, resources in (
            ("CreateLogGroup", self.create_group, on_group), ("DeleteLogGroup", self.delete_group, on_group),
            ("DescribeLogGroups", self.describe_groups, None), ("CreateLogStream", self.create_stream, on_stream),
            ("DeleteLogStream", self.delete_stream, on_stream), ("DescribeLogStreams", self.describe_streams, on_group),
            ("PutRetentionPolicy", self.put_retention, on_group), ("DeleteRetentionPolicy", self.delete_retention, on_group),
            ("TagResource", self.tag, on_group), ("UntagResource", self.untag, on_group),
            ("ListTagsForResource", self.tags, on_group),
        ):
            bind("logs", name, handler, resources=resources)
        self.platform.starters.append(self._start)
        self.platform.closers.append(self._stop)

    # -- groups

    async def create_group(self, call: Call) -> None:
        group = group_of(call)
        if not await asyncio.to_thread(self.logs.create_group, group):
            raise AlreadyExists("The specified log group already exists")
        doc = {"Created": int(self.platform.clock() * 1000), "Tags": call.params.get("tags", {})}
        await self.records.commit(Put(KIND, "", group, doc))

    async def delete_group(self, call: Call) -> None:
        group = group_of(call)
        if not await asyncio.to_thread(self.logs.delete_group, group):
            raise no_group()
        await self.records.commit(Delete(KIND, "", group))

    async def describe_groups(self, call: Call) -> dict[str, Any]:
        pattern, prefix = call.params.get("logGroupNamePattern", "").lower(), call.params.get("logGroupNamePrefix", "")
        if pattern and prefix:
            raise invalid("logGroupNamePattern and logGroupNamePrefix are mutually exclusive parameters.")
        names = await asyncio.to_thread(self.logs.groups, prefix)
        chosen = {_from_arn(i) for i in call.params.get("logGroupIdentifiers", ())}
        names = [n for n in names if pattern in n.lower() and (not chosen or n in chosen)]
        page, token = paged(names, names, call)
        return {"logGroups": [await self._about_group(call, name) for name in page], **token}

    async def _about_group(self, call: Call, name: str) -> dict[str, Any]:
        streams = await asyncio.to_thread(self.logs.streams, name)
        doc = await self._doc(name)
        created = doc.get("Created") or min((s.created for s in streams), default=0)
        about = {
            "logGroupName": name, "arn": group_arn(call, f"{name}:*"), "logGroupArn": group_arn(call, name),
            "creationTime": created, "storedBytes": sum(s.size for s in streams), "metricFilterCount": 0, "logGroupClass": "STANDARD",
        }
        return about | ({"retentionInDays": doc["Days"]} if "Days" in doc else {})

    async def check_group(self, group: str) -> None:
        """Raises NotFound unless the group exists."""
        if group not in await asyncio.to_thread(self.logs.groups, group):
            raise no_group()

    # -- streams

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
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        if by_time:
            streams = await asyncio.to_thread(self.logs.streams, group)
            streams.sort(key=_age)
            shown, token = paged(streams, [[*_age(s)] for s in streams], call)
        else:
            names = await asyncio.to_thread(self.logs.stream_names, group, prefix)
            page, token = paged(names, names, call)  # only the page's files are opened
            found = [await asyncio.to_thread(self.logs.stream, group, name) for name in page]
            shown = [s for s in found if s is not None]
        return {"logStreams": [self._about(call, group, s) for s in shown], **token}

    def _about(self, call: Call, group: str, stream: LogStream) -> dict[str, Any]:
        about: dict[str, Any] = {
            "logStreamName": stream.name, "creationTime": stream.created, "storedBytes": stream.size,
            "arn": group_arn(call, f"{group}:log-stream:{stream.name}"), "uploadSequenceToken": "0",
        }
        if stream.first is not None and stream.last is not None:
            about |= {"firstEventTimestamp": stream.first, "lastEventTimestamp": stream.last, "lastIngestionTime": stream.last}
        return about

    # -- retention and tags

    async def put_retention(self, call: Call) -> None:
        if call.params["retentionInDays"] not in DAYS:
            raise invalid(f"The value of retentionInDays must be one of {', '.join(map(str, DAYS))}.")
        await self._change(group_of(call), lambda doc: doc.update(Days=call.params["retentionInDays"]))

    async def delete_retention(self, call: Call) -> None:
        await self._change(group_of(call), lambda doc: doc.pop("Days", None))

    async def horizon(self, group: str) -> int:
        """Milliseconds before which the group's events have expired."""
        days = (await self._doc(group)).get("Days")
        return 0 if days is None else int(self.platform.clock() * 1000) - days * DAY

    async def tag(self, call: Call) -> None:
        def change(doc: dict[str, Any]) -> None:
            doc["Tags"] = {**doc.get("Tags", {}), **call.params["tags"]}
            if len(doc["Tags"]) > MOST_TAGS:
                raise ServiceError("TooManyTagsException", f"A resource can have at most {MOST_TAGS} tags.")

        await self._change(_from_arn(call.params["resourceArn"]), change)

    async def untag(self, call: Call) -> None:
        gone = set(call.params["tagKeys"])
        await self._change(
            _from_arn(call.params["resourceArn"]),
            lambda doc: doc.update(Tags={k: v for k, v in doc.get("Tags", {}).items() if k not in gone}),
        )

    async def tags(self, call: Call) -> dict[str, Any]:
        group = _from_arn(call.params["resourceArn"])
        await self.check_group(group)
        return {"tags": (await self._doc(group)).get("Tags", {})}

    async def _doc(self, group: str) -> dict[str, Any]:
        record = await self.records.get(KIND, "", group)
        return dict(record.doc) if record else {}

    async def _change(self, group: str, change: Any) -> None:
        await self.check_group(group)
        while True:
            record = await self.records.get(KIND, "", group)
            doc = dict(record.doc) if record else {}
            change(doc)
            with contextlib.suppress(Conflict):
                await self.records.commit(Put(KIND, "", group, doc, record.version if record else 0))
                return

    # -- upkeep

    def _start(self) -> None:
        self._expiring = asyncio.create_task(self._run(), name="logs: expire")

    async def _run(self) -> None:
        while True:
            try:
                await self.expire()
            except Exception:
                log.exception("cannot remove expired logs; trying again in %d s", EXPIRE_EVERY)
            await asyncio.sleep(EXPIRE_EVERY)

    async def expire(self) -> None:
        """Remove streams whose last event is past its group's retention. Readers pass over older events anyway."""
        for group in await asyncio.to_thread(self.logs.groups):
            if not (before := await self.horizon(group)):
                continue
            for stream in await asyncio.to_thread(self.logs.streams, group):
                if (stream.last if stream.last is not None else stream.created) < before:
                    await asyncio.to_thread(self.logs.delete_stream, group, stream.name)

    async def _stop(self) -> None:
        if self._expiring is not None:
            self._expiring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._expiring


def _age(stream: LogStream) -> tuple[int, str]:
    return stream.last or 0, stream.name


def paged(items: list[Any], keys: list[Any], call: Call, size: int = 50) -> tuple[list[Any], dict[str, str]]:
    """One page of items that are sorted by ``keys``, and the output's token: the last key, so that new items cause no repeats."""
    descending = call.params.get("descending", False)
    pairs = list(zip(keys, items, strict=True))
    if descending:
        pairs.reverse()
    if (text := call.params.get("nextToken")) is not None:
        last = read_token(text)
        if keys and type(last) is not type(keys[0]):
            raise bad_token()
        pairs = [(k, i) for k, i in pairs if (k < last if descending else k > last)]
    limit = call.params.get("limit", size)
    page = pairs[:limit]
    return [i for _, i in page], {"nextToken": make_token(page[-1][0])} if len(pairs) > limit else {}


def make_token(value: Any) -> str:
    """A value as a token. In a list: botocore takes an object in base64 for a token of its own, and sends its keys as parameters."""
    return base64.urlsafe_b64encode(json.dumps([value]).encode()).decode()


def read_token(text: str) -> Any:
    try:
        (value,) = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError, binascii.Error):
        raise bad_token() from None
    return value


def bad_token() -> ServiceError:
    return invalid("The specified nextToken is invalid.")

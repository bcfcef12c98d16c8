"""One request's way: fetch the input, ask the model, store the answer, tell who wants to know.

Everything here may happen again after a crash, at any point. An answer says which request it belongs to, so that one that
is there is not asked for again; it is written whole and last, so that nobody reads half of it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...gateway.answer import Answer, Broken
from ...gateway.client import Stream, Worker
from ...gateway.model import instance_id
from ...resources.platform import Platform
from ...stores.metrics import Dimensions
from ...stores.records import Record
from ...wire.errors import DomainError
from . import notice
from .backlog import overdue
from .crew import Instance
from .journal import Journal
from .notice import Outcome
from .request import headers
from .storage import WHOLE, Storage, Unstorable
from .tape import Tape, Tapes

log = logging.getLogger(__name__)

SHOWN = 2**20
"""Bytes of a container's error that the failure object holds."""


class Lost(Exception):
    """The instance broke off; ``untouched``: it cannot have seen the request."""

    def __init__(self, error: Broken) -> None:
        super().__init__(str(error))
        self.untouched = error.untouched


@dataclass(slots=True)
class Errand:
    """One request being worked on."""

    record: Record
    variant: str
    role: str | None
    output: Mapping[str, Any]
    instance: Instance | None = None
    """Who works on it; None for one that nobody took in time."""
    adopted: bool = False
    """It may have been worked on before, by an earlier server or by this one."""
    found: bool = False
    """Its answer was there already."""
    uncaptured: bool = False
    """It was to be captured and could not be kept."""

    @property
    def doc(self) -> dict[str, Any]:
        return self.record.doc

    @property
    def dimensions(self) -> Dimensions:
        return (("EndpointName", self.doc["EndpointName"]), ("VariantName", self.variant))


class Work:
    """Carries out errands of one platform."""

    def __init__(self, platform: Platform, worker: Callable[[Instance], Worker]) -> None:
        self.platform, self.worker, self.storage = platform, worker, Storage(platform)
        self.journal = Journal(platform.logs, platform.metrics, platform.clock)
        self.tapes = Tapes()

    async def carry_out(self, errand: Errand) -> None:
        """Returns when the answer, or why there is none, is in S3 and has been told.

        Raises:
            Lost: the instance is gone; nothing was written.
        """
        began = self.platform.clock()
        times: dict[str, float] = {}
        outcome = await self._found(errand) or await self._outcome(errand, times, began)
        if outcome.failed and not errand.found:
            await self._store_failure(errand, outcome)
        await self._tell(errand, outcome)
        self._measure(errand, outcome, times, began)

    async def give_up(self, errand: Errand, reason: str) -> None:
        """Store and tell that there will be no answer."""
        outcome = Outcome(reason, metric="InvocationFailures")
        await self._store_failure(errand, outcome)
        await self._tell(errand, outcome)
        self._measure(errand, outcome, {}, self.platform.clock())

    # -- the answer

    async def _found(self, errand: Errand) -> Outcome | None:
        """What an earlier server has stored; None if it has not."""
        if not errand.adopted:
            return None
        for member, reason in (("OutputLocation", ""), ("FailureLocation", "The invocation failed; see failureLocation.")):
            if member in errand.doc and await self.storage.answered(errand.doc[member], errand.record.key):
                errand.found = True
                return Outcome(reason)
        return None

    async def _outcome(self, errand: Errand, times: dict[str, float], began: float) -> Outcome:
        doc = errand.doc
        if overdue(doc, began) or errand.instance is None:
            return Outcome(f"The request was not processed within its RequestTTLSeconds ({doc['Ttl']} seconds).", metric="ExpiredRequests")
        mark = time.perf_counter()
        try:
            body = await self.storage.input(doc, errand.role)
        except Unstorable as error:
            return Outcome(f"ClientError: {error}", metric="RequestDownloadFailures")
        times["RequestDownloadLatency"] = time.perf_counter() - mark
        try:
            return await self._ask(errand, body, times)
        except TimeoutError:
            text = f"The invocation timed out: the model did not answer within {doc['Timeout']} seconds."
            return Outcome(text, metric="InvocationFailures")
        except Unstorable as error:
            return Outcome(f"ClientError: {error}", metric="ResponseUploadFailures")

    async def _ask(self, errand: Errand, body: bytes | AsyncIterator[bytes], times: dict[str, float]) -> Outcome:
        doc, mark = errand.doc, time.perf_counter()
        assert errand.instance is not None
        stream: Stream | None = None
        tape = self.tapes.begin(errand.instance.capture, self.platform.clock())
        if tape is not None:
            body = tape.input(body)
        try:
            answer, stream = await self.worker(errand.instance).stream(
                "POST", "/invocations", headers(doc), body, seconds=doc["Timeout"], total=doc["Timeout"],
            )
            if not 200 <= answer.status < 300:
                return await self._refused(errand, answer, stream, times, mark)
            return await self._keep(errand, answer, stream, tape, times, mark)
        except Broken as error:
            raise Lost(error) from None
        finally:
            if tape is not None:
                tape.end()
            if stream is not None:
                await stream.aclose()
            if not isinstance(body, bytes):
                await body.aclose()  # type: ignore[attr-defined]

    async def _keep(
        self, errand: Errand, answer: Answer, stream: Stream, tape: Tape | None, times: dict[str, float], mark: float
    ) -> Outcome:
        """Pour the answer into its object as it comes; small ones are kept for the notification, too."""
        kind = answer.headers.get("content-type", "")
        writer = await self.storage.writer(errand.doc["OutputLocation"], errand.role, errand.record.key, kind)
        kept: list[bytes] | None = []
        size = 0
        committed = False
        try:
            async for piece in stream:
                size += len(piece)
                if tape is not None:
                    tape.output(piece)
                if kept is not None and size <= notice.INCLUDED:
                    kept.append(piece)
                else:
                    kept = None
                await self._put(writer.write, piece, large=len(piece) > WHOLE)
            times["ModelLatency"], mark = time.perf_counter() - mark, time.perf_counter()
            await self._put(writer.commit, large=size > WHOLE)
            committed = True
            times["ResponseUploadLatency"] = time.perf_counter() - mark
        finally:
            if not committed:
                with contextlib.suppress(OSError):
                    await self.storage.run(writer.abort)
        if tape is not None and self.platform.recorder is not None:
            errand.uncaptured = not tape.note(self.platform.recorder, errand.doc, answer)
        return Outcome(content_type=kind, body=b"".join(kept) if kept is not None else None)

    async def _put(self, work: Callable[..., Any], *args: Any, large: bool) -> None:
        try:
            await self.storage.run(work, *args, large=large)
        except OSError as error:
            raise Unstorable(f"Could not upload the answer: {error}") from None

    async def _refused(self, errand: Errand, answer: Answer, stream: Stream, times: dict[str, float], mark: float) -> Outcome:
        body = bytearray()
        async for piece in stream:
            body += piece[: SHOWN - len(body)]
        times["ModelLatency"] = time.perf_counter() - mark
        side = "client" if 400 <= answer.status < 500 else "server"
        self.journal.add(errand.dimensions, "Invocation4XXErrors" if side == "client" else "Invocation5XXErrors", 1.0)
        text = bytes(body[:1024]).decode("utf-8", "replace")
        whose = answer.container or "primary"
        reason = f'Received {side} error ({answer.status}) from {whose} with message "{text}".'
        return Outcome(reason, answer.headers.get("content-type", ""), bytes(body), "InvocationFailures")

    async def _store_failure(self, errand: Errand, outcome: Outcome) -> None:
        """The container's own words where there are some, else the reason."""
        if "FailureLocation" not in errand.doc:
            return
        body, kind = (outcome.reason.encode(), "text/plain") if outcome.body is None else (outcome.body, outcome.content_type)
        try:
            await self.storage.put(errand.doc["FailureLocation"], errand.role, errand.record.key, kind, body)
        except Unstorable as error:
            log.warning("async request %s: %s", errand.doc["InferenceId"], error)
            outcome.reason += f" {error}"

    # -- who wants to know

    async def _tell(self, errand: Errand, outcome: Outcome) -> None:
        topic = notice.topic(errand.output, outcome)
        if not topic:
            return
        region = errand.record.scope.split("/", 1)[1]
        text = notice.message(errand.doc, errand.output, outcome, region, self.platform.clock())
        try:
            if self.platform.identity is None or errand.role is None:
                raise DomainError("the model has no ExecutionRoleArn")
            who = await self.platform.identity.role_principal(errand.role, "SageMaker")
            await self.platform.api.call("sns", "Publish", {"TopicArn": topic, "Message": text}, who, topic.split(":")[3])
        except DomainError as error:
            self.journal.add(errand.dimensions, "NotificationFailures", 1.0)
            log.warning("async request %s: could not publish to %s: %s", errand.doc["InferenceId"], topic, error.message)

    def _measure(self, errand: Errand, outcome: Outcome, times: dict[str, float], began: float) -> None:
        if errand.found:
            return  # counted, as far as it was, by who found it out
        doc, now, add, where = errand.doc, self.platform.clock(), self.journal.add, errand.dimensions
        for name, seconds in times.items():
            add(where, name, seconds * 1e6, "Microseconds")
        waited, total = (began - doc["Received"]) * 1e3, (now - doc["Received"]) * 1e3
        add(where, "TimeInBacklog", waited, "Milliseconds")
        add(where, "TotalProcessingTime", total, "Milliseconds")
        for name in ("InvocationsProcesssed", "InvocationsProcessed"):
            add(where, name, float(outcome.metric != "ExpiredRequests"))
        if outcome.metric:
            add(where, outcome.metric, 1.0)
        said = [f"{name}: {seconds * 1e6:.0f} us" for name, seconds in times.items()]
        said += [f"TimeInBacklog: {waited:.0f} ms", f"TotalProcessingTime: {total:.0f} ms"]
        result = f"Inference request failed. Reason: {outcome.reason}" if outcome.failed else "Inference request succeeded."
        if errand.uncaptured:
            said.append("not captured, because it was too large")
        stream = f"{errand.variant}/{instance_id(errand.instance.task) if errand.instance else 'expired'}"
        self.journal.say(doc["EndpointName"], stream, doc["InferenceId"], f"{result} {', '.join(said)}")


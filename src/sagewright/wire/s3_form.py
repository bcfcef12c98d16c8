"""Browser uploads to S3: a multipart form with a signed policy becomes a PutObject.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from .authentication import ANONYMOUS, Authenticator
from .body import Incoming, batches
from .body_errors import incomplete_body, too_large
from .codecs.xml import escape
from .errors import ServiceError
from .http import Answer, Request, WireFault
from .sigv4 import Verified, parse_scope

_MOST_FIELDS = 64 * 1024
_DISPOSITION = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')
_NOT_CHECKED = {"file", "policy", "signature", "x-amz-signature", "awsaccesskeyid"}


def _malformed(why: str) -> WireFault:
    return WireFault("MalformedPOSTRequest", f"The body of your POST request is not well-formed multipart/form-data: {why}", 400)


class Form:
    """The fields before the file, and the file as a stream."""

    def __init__(self, incoming: Incoming, content_type: str) -> None:
        found = re.search(r'boundary="?([^";,]+)"?', content_type)
        if found is None:
            raise _malformed("no boundary")
        self._mark = b"\r\n--" + found.group(1).strip().encode("latin-1")
        self._pieces = aiter(incoming)
        self._buffer = b"\r\n"  # so that the first boundary looks like the others
        self.fields: dict[str, str] = {}
        """Lower-cased names."""
        self.filename = ""
        self.smallest, self.largest = 0, -1

    async def read_fields(self) -> None:
        """Up to the file. Raises WireFault, ServiceError."""
        await self._skip_to_part()
        while True:
            name, filename = await self._head()
            if name == "file":
                self.filename = filename
                return  # its own Content-Type is no field: S3 takes the field of that name alone
            value = b"".join([data async for data in self._content(_MOST_FIELDS)])
            self.fields[name] = value.decode("utf-8", "replace")
            if sum(map(len, self.fields.values())) > _MOST_FIELDS:
                raise WireFault("MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.", 400)
            if not await self._skip_to_part():
                raise WireFault("InvalidArgument", "POST requires exactly one file upload per request.", 400)

    async def _more(self) -> bool:
        data = await anext(self._pieces, b"")
        self._buffer += data
        return bool(data)

    async def _skip_to_part(self) -> bool:
        """Past a boundary; False when it was the last."""
        while self._mark not in self._buffer or len(self._buffer) < self._buffer.find(self._mark) + len(self._mark) + 2:
            if len(self._buffer) > _MOST_FIELDS or not await self._more():
                raise _malformed("a boundary is missing")
        after = self._buffer.find(self._mark) + len(self._mark)
        last = self._buffer[after : after + 2] == b"--"
        self._buffer = self._buffer[after + 2 :]
        return not last

    async def _head(self) -> tuple[str, str]:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MOST_FIELDS or not await self._more():
                raise _malformed("a part has no head")
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        name = filename = ""
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            key, _, value = line.partition(":")
            if key.strip().lower() == "content-disposition":
                said = {k: (a or b) for k, a, b in _DISPOSITION.findall(value)}
                name, filename = said.get("name", "").lower(), said.get("filename", "")
        if not name:
            raise _malformed("a part has no name")
        return name, filename

    async def _content(self, limit: int) -> AsyncIterator[bytes]:
        """A part's content, leaving the boundary in the buffer."""
        size = 0
        while True:
            at = self._buffer.find(self._mark)
            safe = at if at >= 0 else max(0, len(self._buffer) - len(self._mark))
            if safe:
                size += safe
                if 0 <= limit < size:
                    raise too_large(limit)
                data, self._buffer = self._buffer[:safe], self._buffer[safe:]
                yield data
            if at >= 0:
                return
            if not await self._more():
                raise incomplete_body()

    # the file, as a Body

    length: int | None = None
    trailers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._content(self.largest):
            size += len(data)
            yield data
        if size < self.smallest:
            raise ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400)
        async for _ in self._pieces:
            pass  # what follows the file is not looked at

    def blocks(self, size: int) -> AsyncGenerator[Sequence[bytes | memoryview], None]:
        return batches(self, size)

    async def read(self, limit: int | None = None) -> bytes:
        out = b"".join([data async for data in self])
        if limit is not None and len(out) > limit:
            raise too_large(limit)
        return out


def authenticate(form: Form, bucket: str, authenticator: Authenticator, now: float, lenient: Verified | None) -> Verified:
    """Check signature and policy of a form; the form learns its size limits. Raises WireFault."""
    fields = form.fields
    if not fields.get("key"):
        raise WireFault("InvalidArgument", "Bucket POST must contain a field named 'key'.", 400)
    fields["key"] = fields["key"].replace("${filename}", form.filename)
    policy = fields.get("policy", "")
    if lenient is not None:
        return lenient
    if not policy:
        return Verified(ANONYMOUS)
    token = fields.get("x-amz-security-token")
    if "x-amz-signature" in fields:
        scope = parse_scope(fields.get("x-amz-credential", ""))
        verified = authenticator.v4.verify_text(scope, policy, fields["x-amz-signature"], token)
    elif fields.get("awsaccesskeyid") and fields.get("signature"):
        verified = authenticator.v2.verify_text(fields["awsaccesskeyid"], policy, fields["signature"], token)
    else:
        raise WireFault("InvalidArgument", "A form with a policy must carry its signature.", 400)
    _check_policy(form, bucket, policy, now)
    return verified


def _check_policy(form: Form, bucket: str, text: str, now: float) -> None:
    try:
        policy = orjson.loads(base64.b64decode(text, validate=True))
        ends = datetime.fromisoformat(policy["expiration"])
        conditions = list(policy["conditions"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise WireFault("InvalidPolicyDocument", "The content of the form does not meet the conditions specified in the policy document: it is malformed.", 400) from None
    if (ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp() < now:
        raise _policy("Policy expired")
    covered = set(_NOT_CHECKED)
    for condition in conditions:
        covered.update(_condition(form, bucket, condition))
    extra = [n for n in form.fields if n not in covered and not n.startswith("x-ignore-")]
    if extra:
        raise _policy(f"Extra input fields: {', '.join(extra)}")


def _policy(why: str) -> WireFault:
    return WireFault("AccessDenied", f"Invalid according to Policy: {why}", 403)


def _condition(form: Form, bucket: str, condition: Any) -> list[str]:
    """Names that a condition covers. Raises WireFault when it does not hold."""
    if isinstance(condition, dict):
        names = []
        for key, value in condition.items():
            names += _condition(form, bucket, ["eq", f"${key}", value])
        return names
    if not isinstance(condition, list) or len(condition) != 3:
        raise _policy(f"a condition cannot be read: {condition}")
    kind, first, second = condition
    if str(kind).lower() == "content-length-range":
        if not isinstance(first, int) or not isinstance(second, int):
            raise _policy("content-length-range needs two numbers")
        form.smallest, form.largest = max(form.smallest, first), second if form.largest < 0 else min(form.largest, second)
        return []
    name = str(first).removeprefix("$").lower()
    value = bucket if name == "bucket" else form.fields.get(name, "")
    wanted = str(second)
    holds = value == wanted if str(kind).lower() == "eq" else str(kind).lower() == "starts-with" and value.startswith(wanted)
    if not holds:
        raise _policy(f'Policy Condition failed: ["{kind}", "${name}", "{wanted}"]')
    return [name]


def as_put(form: Form, request: Request) -> Request:
    """The PutObject that the form's fields amount to."""
    headers = {k: v for k, v in form.fields.items() if k not in _NOT_CHECKED and k != "key"}
    headers["host"] = request.headers.get("host", "")
    return Request("PUT", request.path, "", headers, request.scheme, request.source_ip)


def answer(form: Form, bucket: str, put: Answer, base: str) -> Answer:
    """What the browser gets: 204, or what success_action_* asks for."""
    key, etag = form.fields["key"], put.headers.get("etag", "")
    location = f"{base}/{bucket}/{quote(key)}"
    headers = {"etag": etag, "location": location} if etag else {"location": location}
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect and re.match(r"https?://", redirect):
        mark = "&" if "?" in redirect else "?"
        headers["location"] = f"{redirect}{mark}bucket={quote(bucket)}&key={quote(key, safe='')}&etag={quote(etag, safe='')}"
        return Answer(303, headers)
    status = form.fields.get("success_action_status", "204")
    if status == "201":
        text = (f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>{escape(location)}</Location>'
                f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key><ETag>{escape(etag)}</ETag></PostResponse>")
        return Answer(201, {**headers, "content-type": "application/xml"}, text.encode())
    return Answer(200 if status == "200" else 204, headers)

"""ARNs and S3 URIs, read and written in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ..wire.errors import Invalid

_HTTPS = (
    re.compile(r"https?://(?P<bucket>[a-z0-9.\-]{3,63})\.s3(?:[.\-](?P<region>[a-z0-9\-]+))?\.amazonaws\.com(?:\.cn)?/(?P<key>.*)"),
    re.compile(r"https?://s3(?:[.\-](?P<region>[a-z0-9\-]+))?\.amazonaws\.com(?:\.cn)?/(?P<bucket>[a-z0-9.\-]{3,63})/(?P<key>.*)"),
)


@dataclass(frozen=True, slots=True)
class Arn:
    service: str
    region: str
    account: str
    resource: str

    @property
    def type(self) -> str:
        return self.resource.split("/", 1)[0]

    @property
    def name(self) -> str:
        return self.resource.split("/", 1)[-1]


def arn(service: str, region: str, account: str, resource: str) -> str:
    """An ARN of the ``aws`` partition."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def parse(text: str) -> Arn:
    """Raises Invalid unless ``text`` is an ARN with a resource."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
        raise Invalid(f"Invalid ARN: {text}")
    return Arn(parts[2], parts[3], parts[4], parts[5])


def name_in(name_or_arn: str) -> str:
    """The name itself, or the name that an ARN ends with."""
    return parse(name_or_arn).name if name_or_arn.startswith("arn:") else name_or_arn


def s3_location(uri: str) -> tuple[str, str]:
    """(bucket, key or prefix) of an s3:// or https:// S3 URI, in the virtual-host and path, dash and dot forms.

    Raises:
        Invalid: it is none of them.
    """
    if uri.startswith("s3://"):
        bucket, _, key = uri[5:].partition("/")
        if bucket:
            return bucket, key
    for form in _HTTPS:
        if match := form.fullmatch(uri):
            return match["bucket"], unquote(match["key"])
    raise Invalid(f"Invalid S3 URI: {uri}")


def s3_uri(uri: str) -> str:
    """Any S3 URI in its s3:// form."""
    return "s3://{}/{}".format(*s3_location(uri))


def join(uri: str, *parts: str) -> str:
    """Append path parts to an S3 URI with single slashes."""
    return "/".join([uri.rstrip("/"), *(p.strip("/") for p in parts)])

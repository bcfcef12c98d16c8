"""Reads one S3 object with the standard library alone, signed with the job's keys.

A script job's first step is to fetch its code. boto3 takes most of a second to be imported and to load its models,
more than everything else between CreateTrainingJob and the user's first line; a signed GET takes milliseconds.
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html describes the signature.
"""

import hashlib
import hmac
import http.client
import os
import re
import shutil
import time
from typing import Dict, Mapping
from urllib.parse import quote, unquote, urlsplit


class S3Error(Exception):
    """The store refused, or could not be reached; the message says which code it gave."""


def signed(host: str, path: str, environ: Mapping[str, str], now: float) -> Dict[str, str]:
    """The headers of ``GET path`` (already quoted), signed with the keys of ``environ`` (Signature Version 4)."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    scope = "%s/%s/s3/aws4_request" % (stamp[:8], region)
    headers = {"host": host, "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(), "x-amz-date": stamp}
    if environ.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = environ["AWS_SESSION_TOKEN"]
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    request = "\n".join(["GET", path, "", lines, names, headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        environ["AWS_ACCESS_KEY_ID"], scope, names, key.hex(),
    )  # fmt: skip
    return headers


def usable(environ: Mapping[str, str]) -> bool:
    """Whether a plain request reaches the store: an http endpoint and keys in the environment."""
    return environ.get("AWS_ENDPOINT_URL", "").startswith("http://") and bool(environ.get("AWS_SECRET_ACCESS_KEY"))


def fetch(bucket: str, key: str, path: str, environ: Mapping[str, str] = os.environ) -> None:
    """Write one object to the file ``path``.

    Raises:
        S3Error: with the store's error code, or the network's error.
    """
    at = urlsplit(environ["AWS_ENDPOINT_URL"])
    target = quote("%s/%s/%s" % (unquote(at.path).rstrip("/"), bucket, key), safe="/-_.~")
    connection = http.client.HTTPConnection(at.netloc, timeout=60)
    try:
        connection.request("GET", target, headers=signed(at.netloc, target, environ, time.time()))
        answer = connection.getresponse()
        if answer.status != 200:
            code = re.search(rb"<Code>([^<]*)</Code>", answer.read(65536))
            raise S3Error("%s (%d)" % (code.group(1).decode() if code else answer.reason, answer.status))
        with open(path, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            if answer.length:
                raise S3Error("the connection ended %d bytes early" % answer.length)
    except (OSError, http.client.HTTPException) as e:
        raise S3Error("%s: %s" % (type(e).__name__, e)) from e
    finally:
        connection.close()

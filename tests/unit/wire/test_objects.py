"""Objects over real HTTP: any key, presigned URLs and forms, uploads in chunks with their checksums and signatures."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from .wireserver import KEY, SECRET, client
from .world import World, code_of

KEYS = ["plain", "a b+c/ü.txt", "x//y", "a/../b", "./c", "p%2Fq", "trailing/", "tilde~*'()!", "sm?x=y&z#1"]


@pytest.mark.parametrize("key", KEYS)
def test_objects_under_any_key(world: World, key: str) -> None:
    url, _, seen = world
    s3 = client(url, "s3")
    data = os.urandom(300_000)
    s3.put_object(Bucket="bucket", Key=key, Body=data, Metadata={"m": "1"}, ContentType="image/png")
    assert seen["call"].params["Key"] == key
    assert seen["call"].params["Metadata"] == {"m": "1"}
    assert seen["call"].params["ContentType"] == "image/png"
    answer = s3.get_object(Bucket="bucket", Key=key)
    assert answer["ContentType"] == "text/x-test"
    assert answer["Body"].read() == data
    s3.delete_object(Bucket="bucket", Key=key)
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="bucket", Key=key)
    assert code_of(caught)[:2] == ("NoSuchKey", 404)


def test_head(world: World) -> None:
    url, _, seen = world
    s3 = client(url, "s3")
    seen["objects"]["there"] = b"12345"
    answer = s3.head_object(Bucket="bucket", Key="there")
    assert (answer["ContentLength"], answer["Metadata"]) == (5, {"a": "b"})
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket="bucket", Key="missing")
    assert code_of(caught) == ("404", 404, "Not Found")


@pytest.mark.parametrize("version", ["s3", "s3v4"])  # SigV2 and SigV4
def test_presigned_urls(world: World, version: str) -> None:
    url, _, seen = world
    s3 = client(url, "s3", signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "pre signed"})
    assert ("AWSAccessKeyId" in put) == (version == "s3")
    with urllib.request.urlopen(urllib.request.Request(put, data=b"body", method="PUT")) as answer:
        assert answer.status == 200
    assert seen["objects"]["pre signed"] == b"body"
    get = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "pre signed"})
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"body"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(get.replace("pre%20signed", "other"))
    assert caught.value.code == 403
    assert b"SignatureDoesNotMatch" in caught.value.read()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}, ExpiresIn=-1))
    assert caught.value.code == (403 if version == "s3" else 400)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_post(world: World, version: str) -> None:
    url, _, seen = world
    s3 = client(url, "s3", signature_version=version)
    post = s3.generate_presigned_post("bucket", "up/${filename}", Fields={"acl": "private"}, Conditions=[
        {"acl": "private"}, ["starts-with", "$Content-Type", "text/"], ["content-length-range", 1, 1000]])

    def send(data: bytes, **more: str) -> tuple[int, bytes]:
        fields = {**post["fields"], "Content-Type": "text/plain", **more}
        mark = "xxBOUNDARYxx"
        body = b"".join(f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items())
        body += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'.encode() + data + f"\r\n--{mark}--\r\n".encode()
        request = urllib.request.Request(post["url"], data=body, headers={"Content-Type": f"multipart/form-data; boundary={mark}"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    data = b"hello\r\n--not the boundary"
    assert send(data)[0] == 204
    assert seen["objects"]["up/f.txt"] == data
    assert seen["call"].params["ContentType"] == "text/plain"
    seen["objects"].clear()
    assert send(b"x" * 1001)[0] == 413
    assert send(b"")[0] == 400
    assert send(data, **{"Content-Type": "image/png"})[0] == 403
    assert send(data, extra="1")[0] == 403
    assert send(data, policy=post["fields"]["policy"][:-4] + "AAA=")[0] == 403
    assert not seen["objects"]


def signed_headers(url: str, path: str, sha: str, **headers: str) -> dict[str, str]:
    """Headers of a PUT as botocore signs it."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("PUT", url + path, headers={"X-Amz-Content-SHA256": sha, **headers})
    request.context["payload_signing_enabled"] = False

    class Signer(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return sha

    Signer(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    request.headers["X-Amz-Content-SHA256"] = sha
    return dict(request.headers)


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"])
@pytest.mark.parametrize("good", [True, False])
def test_aws_chunked_upload_with_trailer(world: World, algorithm: str, good: bool) -> None:
    from sagewright.wire.checksums import running

    url, _, seen = world
    seen["objects"].clear()
    data = os.urandom(200_000)
    checksum = running(algorithm)
    assert checksum is not None
    checksum.update(data if good else data[1:])
    body = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in (data[:65536], data[65536:]))
    body += f"0\r\nx-amz-checksum-{algorithm}:{checksum.base64()}\r\n\r\n".encode()
    headers = signed_headers(url, "/bucket/chunked", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", **{
        "Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": f"x-amz-checksum-{algorithm}"})
    host = urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port)
    connection.request("PUT", "/bucket/chunked", iter([body[:1000], body[1000:]]), headers, encode_chunked=True)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert (answer.status, b"BadDigest" in text) == ((200, False) if good else (400, True))
    assert seen["objects"] == ({"chunked": data} if good else {})


@pytest.mark.parametrize("spoil", ["", "chunk", "signature", "trailer", "length", "end"])
def test_signed_chunks(world: World, spoil: str) -> None:
    """STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, signed here by the documented recipe."""
    import hmac as hmac_

    from sagewright.wire.checksums import running

    url, _, seen = world
    seen["objects"].clear()
    data = os.urandom(100_000)
    headers = signed_headers(url, "/bucket/chunked", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", **{
        "x-amz-decoded-content-length": str(len(data) + (spoil == "length")), "x-amz-trailer": "x-amz-checksum-crc32"})
    seed = headers["Authorization"].rpartition("Signature=")[2]
    stamp = headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac_.digest(key, part.encode(), "sha256")
    empty = hashlib.sha256(b"").hexdigest()

    def sign(kind: str, rest: str, previous: str) -> str:
        return hmac_.digest(key, f"AWS4-HMAC-SHA256-{kind}\n{stamp}\n{scope}\n{previous}\n{rest}".encode(), "sha256").hex()

    body, previous = b"", seed
    for piece in (data[:65536], data[65536:], b""):
        previous = sign("PAYLOAD", f"{empty}\n{hashlib.sha256(piece).hexdigest()}", previous)
        sent = piece[::-1] if spoil == "chunk" else piece
        shown = previous[::-1] if spoil == "signature" else previous
        body += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + sent + (b"\r\n" if piece else b"")
    checksum = running("crc32")
    assert checksum is not None
    checksum.update(data)
    line = f"x-amz-checksum-crc32:{checksum.base64()}\n"
    trailer = sign("TRAILER", hashlib.sha256(line.encode()).hexdigest(), previous)
    body += line.replace("\n", "\r\n").encode() + f"x-amz-trailer-signature:{trailer[::-1] if spoil == 'trailer' else trailer}\r\n\r\n".encode()
    if spoil == "end":
        body = body[:-40]
    host = urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port)
    connection.request("PUT", "/bucket/chunked", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == (200 if not spoil else 403 if spoil in {"chunk", "signature", "trailer"} else 400)
    assert seen["objects"] == ({} if spoil else {"chunked": data})

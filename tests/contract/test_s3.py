"""Object storage as boto3, plain HTTP clients and browsers use it."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import datetime
import hashlib
import io
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from sagewright.testing.objects import KEYS, MIB
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def s3(server: TestServer) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        if page.get("Contents"):
            s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": o["Key"]} for o in page["Contents"]]})
    s3.delete_bucket(Bucket=name)


@contextlib.contextmanager
def fails(code: str, status: int) -> Iterator[None]:
    """The block must fail with this code and HTTP status."""
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_buckets(s3: Any, bucket: str, server: TestServer) -> None:
    assert s3.create_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    west = server.client("s3", region="eu-west-1")
    other = f"{bucket}-west"
    west.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert west.get_bucket_location(Bucket=other)["LocationConstraint"] == "eu-west-1"
    with fails("BucketAlreadyOwnedByYou", 409):
        west.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    west.delete_bucket(Bucket=other)
    with fails("404", 404):
        s3.head_bucket(Bucket=other)
    with fails("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=other)
    with fails("NoSuchBucket", 404):
        s3.put_object(Bucket=other, Key="k", Body=b"")
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with fails("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)


def test_the_expected_owner(s3: Any, bucket: str, server: TestServer) -> None:
    account = server.client("sts").get_caller_identity()["Account"]
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ExpectedBucketOwner=account)
    with fails("403", 403):
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="999999999999")
    for call in (s3.get_object, s3.delete_object, s3.put_object):
        with fails("AccessDenied", 403):
            call(Bucket=bucket, Key="k", ExpectedBucketOwner="999999999999")


def test_an_object_with_everything(s3: Any, bucket: str) -> None:
    expires = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    put = s3.put_object(
        Bucket=bucket, Key="k", Body=b"hello", ContentType="text/csv", CacheControl="max-age=5", ContentEncoding="gzip",
        ContentDisposition="attachment", ContentLanguage="de", Expires=expires, Metadata={"Colour": "blue"}, Tagging="a=1&b=x%20y",
    )  # fmt: skip
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    for got in (s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED"), s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")):
        wanted = {"ContentType": "text/csv", "CacheControl": "max-age=5", "ContentEncoding": "gzip", "ContentDisposition": "attachment",
                  "ContentLanguage": "de", "Metadata": {"colour": "blue"}, "ContentLength": 5, "ETag": put["ETag"], "TagCount": 2,
                  "ChecksumCRC32": put["ChecksumCRC32"], "AcceptRanges": "bytes"}  # fmt: skip
        assert {name: got.get(name) for name in wanted} == wanted
        assert got["ExpiresString"] == "Tue, 06 May 2031 07:08:09 GMT"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    assert "ChecksumCRC32" not in s3.head_object(Bucket=bucket, Key="k")
    with fails("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="missing")
    with fails("404", 404):
        s3.head_object(Bucket=bucket, Key="missing")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")


def test_any_legal_key(s3: Any, bucket: str) -> None:
    keys = KEYS
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == sorted(keys, key=str.encode)
    copied = s3.copy_object(Bucket=bucket, Key="copy of +ü", CopySource={"Bucket": bucket, "Key": "plus+"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"plus+").hexdigest()}"'
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
    assert sorted(d["Key"] for d in gone["Deleted"]) == sorted(keys)
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy of +ü"}], "Quiet": True})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_that_is_too_long(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"")
    with fails("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"")


@pytest.mark.parametrize(("asked", "wanted", "said"), [
    ("bytes=0-4", b"01234", "bytes 0-4/10"), ("bytes=5-", b"56789", "bytes 5-9/10"), ("bytes=-3", b"789", "bytes 7-9/10"),
    ("bytes=8-100", b"89", "bytes 8-9/10"), ("bytes=-100", b"0123456789", "bytes 0-9/10"),
])  # fmt: skip
def test_ranges(s3: Any, bucket: str, asked: str, wanted: bytes, said: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked, ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ContentRange"], got["ResponseMetadata"]["HTTPStatusCode"]) == (wanted, said, 206)
    if wanted != b"0123456789":
        assert "ChecksumCRC32" not in got


def test_ranges_that_cannot_be(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    for key, asked in (("k", "bytes=10-"), ("k", "bytes=-0"), ("empty", "bytes=0-0"), ("empty", "bytes=-1")):
        with fails("InvalidRange", 416):
            s3.get_object(Bucket=bucket, Key=key, Range=asked)
    assert s3.get_object(Bucket=bucket, Key="k", Range="lines=1-2")["Body"].read() == b"0123456789"


def test_conditional_reads(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    before, after = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    for named in ({"IfMatch": etag}, {"IfNoneMatch": '"x"'}, {"IfModifiedSince": before}, {"IfUnmodifiedSince": after},
                  {"IfMatch": etag, "IfUnmodifiedSince": before}):  # fmt: skip
        assert s3.get_object(Bucket=bucket, Key="k", **named)["Body"].read() == b"1"
    for named in ({"IfMatch": '"x"'}, {"IfUnmodifiedSince": before}):
        with fails("PreconditionFailed", 412):
            s3.get_object(Bucket=bucket, Key="k", **named)
    for named in ({"IfNoneMatch": etag}, {"IfModifiedSince": after}):
        with fails("304", 304):
            s3.get_object(Bucket=bucket, Key="k", **named)


def test_conditional_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with fails("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    with fails("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch='"x"')
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_copy(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"1", ContentType="text/csv", Metadata={"m": "1"})["ETag"]
    source = {"Bucket": bucket, "Key": "a"}
    s3.copy_object(Bucket=bucket, Key="b", CopySource=source, CopySourceIfMatch=etag)
    assert (s3.head_object(Bucket=bucket, Key="b")["ContentType"], s3.head_object(Bucket=bucket, Key="b")["Metadata"]) == ("text/csv", {"m": "1"})
    s3.copy_object(Bucket=bucket, Key="b", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"}, ContentType="x/y")
    assert (s3.head_object(Bucket=bucket, Key="b")["ContentType"], s3.head_object(Bucket=bucket, Key="b")["Metadata"]) == ("x/y", {"n": "2"})
    with fails("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="b", CopySource=source, CopySourceIfNoneMatch=etag)
    with fails("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="a", CopySource=source)
    with fails("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "missing"})
    with fails("NoSuchBucket", 404):
        s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": "no-such-bucket-here", "Key": "a"})


def test_listing(s3: Any, bucket: str) -> None:
    for key in ("a", "b/1", "b/2", "c/1", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    one = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [o["Key"] for o in one["Contents"]] == ["a", "d"]
    assert [p["Prefix"] for p in one["CommonPrefixes"]] == ["b/", "c/"]
    assert "Owner" not in one["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["IsTruncated"] is False
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="b/1")["Contents"]] == ["b/2", "c/1", "d"]
    first = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert (first["IsTruncated"], first["NextMarker"]) == (True, "b/")
    second = s3.list_objects(Bucket=bucket, Delimiter="/", Marker=first["NextMarker"])
    assert ([o["Key"] for o in second["Contents"]], [p["Prefix"] for p in second["CommonPrefixes"]]) == (["d"], ["c/"])
    with fails("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="not a token")


def test_multipart(s3: Any, bucket: str) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="big", ChecksumAlgorithm="CRC32", Metadata={"m": "1"})
    named = {"Bucket": bucket, "Key": "big", "UploadId": begun["UploadId"]}
    blocks = {1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB, 3: b"c"}
    parts = {n: s3.upload_part(**named, PartNumber=n, Body=blocks[n], ChecksumAlgorithm="CRC32") for n in (3, 1, 2)}
    listed = s3.list_parts(**named)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(n, len(b)) for n, b in blocks.items()]
    pages = s3.get_paginator("list_parts").paginate(**named, PaginationConfig={"PageSize": 1})
    assert [p["PartNumber"] for page in pages for p in page.get("Parts", [])] == [1, 2, 3]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["big"]
    chosen = [{"PartNumber": n, "ETag": parts[n]["ETag"], "ChecksumCRC32": parts[n]["ChecksumCRC32"]} for n in (1, 2, 3)]
    with fails("InvalidPartOrder", 400):
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": chosen[::-1]})
    with fails("InvalidPart", 400):
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"wrong"'}]})
    done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": chosen})
    crcs = b"".join(zlib.crc32(b).to_bytes(4, "big") for b in blocks.values())
    assert done["ChecksumCRC32"] == base64.b64encode(zlib.crc32(crcs).to_bytes(4, "big")).decode() + "-3"
    assert done["ETag"].endswith('-3"')
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == b"".join(blocks.values())
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (blocks[2], 3)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts"])
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (10 * MIB + 1, 3)
    with fails("NoSuchUpload", 404):
        s3.upload_part(**named, PartNumber=1, Body=b"")


def test_multipart_that_ends_otherwise(s3: Any, bucket: str) -> None:
    named = {"Bucket": bucket, "Key": "big", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]}
    parts = [{"PartNumber": n, "ETag": s3.upload_part(**named, PartNumber=n, Body=b"small")["ETag"]} for n in (1, 2)]
    with fails("EntityTooSmall", 400):
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    s3.abort_multipart_upload(**named)
    with fails("NoSuchUpload", 404):
        s3.list_parts(**named)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_part_copy(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x" * 6 * MIB + b"tail")
    named = {"Bucket": bucket, "Key": "big", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]}
    source = {"Bucket": bucket, "Key": "source"}
    one = s3.upload_part_copy(**named, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{5 * MIB - 1}")
    two = s3.upload_part_copy(**named, PartNumber=2, CopySource=source, CopySourceRange=f"bytes={6 * MIB}-{6 * MIB + 3}")
    parts = [{"PartNumber": n, "ETag": p["CopyPartResult"]["ETag"]} for n, p in ((1, one), (2, two))]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == b"x" * 5 * MIB + b"tail"


def test_transfers_of_large_files(s3: Any, bucket: str) -> None:
    data = os.urandom(20 * MIB + 7)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), bucket, "big", Config=config)
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back, Config=config)
    assert back.getvalue() == data


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    if algorithm in {"CRC32", "SHA1", "SHA256"}:  # the others need awscrt in the client
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"data", ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        assert got["Body"].read() == b"data"
    wrong = base64.b64encode(bytes({"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}[algorithm])).decode()
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="bad", Body=b"data", **{f"Checksum{algorithm}": wrong})
    assert caught.value.response["Error"]["Code"] in {"BadDigest", "InvalidRequest"}
    with fails("404", 404):
        s3.head_object(Bucket=bucket, Key="bad")


def test_content_md5(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", ContentMD5=base64.b64encode(hashlib.md5(b"data").digest()).decode())
    with fails("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="bad", Body=b"data", ContentMD5=base64.b64encode(bytes(16)).decode())


def test_response_headers_on_demand(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseContentDisposition="attachment; filename=x")
    assert (got["ContentType"], got["ContentDisposition"]) == ("a/b", "attachment; filename=x")


def test_a_large_body_is_proven_before_it_counts(s3: Any, bucket: str) -> None:
    data = os.urandom(3 * MIB + 5)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "whole"})
    assert httpx.put(url, content=data).headers["etag"].strip('"') == hashlib.md5(data).hexdigest()

    def replaced(request: Any, **_: Any) -> None:
        request.body = bytes(len(data))  # after signing: neither what was signed nor what the checksum is of

    other = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=s3.meta.endpoint_url,
        aws_access_key_id=s3._request_signer._credentials.access_key, aws_secret_access_key=s3._request_signer._credentials.secret_key,
        config=Config(retries={"max_attempts": 0}, request_checksum_calculation="when_required"),
    )
    other.meta.events.register_last("before-send.s3.PutObject", replaced)
    with fails("XAmzContentSHA256Mismatch", 400):
        other.put_object(Bucket=bucket, Key="torn", Body=data)
    with fails("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="torn", Body=data, ChecksumCRC32=base64.b64encode(b"none").decode())
    at = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "torn"}))
    with socket.create_connection((at.hostname, at.port)) as half:
        half.sendall(f"PUT {at.path}?{at.query} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: {len(data)}\r\n\r\n".encode())
        half.sendall(data[: 2 * MIB])
        half.shutdown(socket.SHUT_WR)
        assert b"<Code>IncompleteBody</Code>" in half.makefile("rb").read()
    assert s3.get_object(Bucket=bucket, Key="whole")["Body"].read() == data
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["whole"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])  # SigV2 and SigV4
def test_presigned(server: TestServer, bucket: str, region: str) -> None:
    s3 = server.client("s3", region=region)
    key = "a b+c/ü.txt"
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    request = urllib.request.Request(url, b"hello", method="PUT")
    if region == "us-east-1":
        request.add_header("Content-Type", "")  # SigV2 signs it
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("Signature=", "Signature=x"))
    assert caught.value.code == 403
    caught.value.close()


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_presigned_post(server: TestServer, bucket: str, region: str) -> None:
    s3 = server.client("s3", region=region)
    form = s3.generate_presigned_post(bucket, "in/${filename}", Conditions=[["starts-with", "$key", "in/"], ["content-length-range", 1, 10]])
    sent = httpx.post(form["url"], data=form["fields"], files={"file": ("f.txt", b"hello")})
    assert sent.status_code == 204, sent.text
    assert s3.get_object(Bucket=bucket, Key="in/f.txt")["Body"].read() == b"hello"
    sent = httpx.post(form["url"], data=form["fields"], files={"file": ("g.txt", b"far too long for it")})
    assert sent.is_client_error
    assert "<Code>EntityTooLarge</Code>" in sent.text
    with fails("404", 404):
        s3.head_object(Bucket=bucket, Key="in/g.txt")


def test_bucket_settings_are_kept(s3: Any, bucket: str) -> None:
    with fails("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)
    policy = '{"Version": "2012-10-17", "Statement": []}'
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    s3.delete_bucket_policy(Bucket=bucket)
    with fails("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "1"}]
    with fails("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert "TopicConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_object_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "b", "Value": "2"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_many_clients_write_one_key(s3: Any, bucket: str) -> None:
    def write(number: int) -> None:
        s3.put_object(Bucket=bucket, Key="k", Body=bytes([number]) * 300_000)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(write, n) for n in range(64)]
        while not all(job.done() for job in jobs):
            try:
                data = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
            except s3.exceptions.NoSuchKey:
                continue
            assert len(data) == 300_000
            assert len(set(data)) == 1
        for job in jobs:
            job.result()


def test_killed_in_the_middle_of_a_multipart_upload(own_server: TestServer) -> None:
    s3 = own_server.client("s3")
    s3.create_bucket(Bucket="box")
    named = {"Bucket": "box", "Key": "big", "UploadId": s3.create_multipart_upload(Bucket="box", Key="big")["UploadId"]}
    first = s3.upload_part(**named, PartNumber=1, Body=b"a" * 5 * MIB)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        quick = boto3.client("s3", endpoint_url=own_server.url, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
                             aws_access_key_id=s3._request_signer._credentials.access_key,
                             aws_secret_access_key=s3._request_signer._credentials.secret_key)  # fmt: skip
        job = pool.submit(quick.upload_part, **named, PartNumber=2, Body=b"b" * 50 * MIB)
        folder = own_server.data / "objects" / "uploads" / named["UploadId"]
        while sum(p.stat().st_size for p in folder.iterdir()) <= 5 * MIB and not job.done():
            pass
        own_server.kill()
        with contextlib.suppress(Exception):
            job.result()
    own_server.start()
    s3 = own_server.client("s3")
    with fails("404", 404):
        s3.head_object(Bucket="box", Key="big")
    second = s3.upload_part(**named, PartNumber=2, Body=b"c" * MIB)
    parts = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="box", Key="big")["Body"].read() == b"a" * 5 * MIB + b"c" * MIB
    assert list((own_server.data / "objects" / "uploads").iterdir()) == []

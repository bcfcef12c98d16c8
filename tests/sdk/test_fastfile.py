"""The FastFile example as a user runs it: 10 GiB, of which the job reads 1 %."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sagewright.testing.backends import agree
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "fastfile"
pytestmark = [pytest.mark.xdist_group("fastfile"), pytest.mark.timeout(600)]
GIB = 2**30


@pytest.fixture
def elsewhere(server: TestServer, tmp_path: Path) -> Iterator[TestServer]:
    """A server whose objects are in another's S3."""
    keys = server.credentials()
    url = server.url.replace("://", f"://{quote(keys['access_key'], safe='')}:{quote(keys['secret_key'], safe='')}@")
    with TestServer(tmp_path / "elsewhere", {"objects": url}) as other:
        yield other


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_job_over_ten_gibibytes_reads_one_percent(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    agree(tmp_path_factory, "fastfile", server, sdk, reads_one_percent(server, sdk))


def test_so_does_one_whose_data_are_elsewhere(elsewhere: TestServer) -> None:
    reads_one_percent(elsewhere, "v2")


def reads_one_percent(home: TestServer, sdk: str) -> dict[str, Any]:
    """What the job found."""
    found = run(home, sdk, EXAMPLES / f"{sdk}.py", timeout=580)
    assert found["metrics"] == {"read:bytes": 102 * 2**20, "channel:bytes": 10 * GIB}
    assert found["stages"]["Downloading"] < 20, "nothing is downloaded"
    bucket, _, key = found["model"].removeprefix("s3://").partition("/")
    body = home.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        file = tar.extractfile("found.json")
        assert file is not None
        answer: dict[str, Any] = json.load(file)
    assert answer["wrong"] == 0
    assert answer["files"] == 40
    assert answer["sum"] > 0
    return answer

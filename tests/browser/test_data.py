"""Data, click by click: looking into files of any kind without reading more than is shown, sharing, deleting, and uploads that go on."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique

from .calls import STUDIO
from .downloads import downloaded, watched
from .looks import looked_at

pytestmark = pytest.mark.xdist_group("browser")
PARQUET = Path(__file__).parent / "parquet"
CODECS = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")
MB = 1024 * 1024
PART = 8 * MB


def widened(data: bytes, by: int) -> bytes:
    """A Parquet file with so many bytes that nothing refers to between its columns and its footer."""
    footer = int.from_bytes(data[-8:-4], "little") + 8
    return data[:-footer] + bytes(by) + data[-footer:]


def look(jobs: Jobs, key: str) -> str:
    return f"{STUDIO}/data/{jobs.bucket}?prefix={key.rsplit('/', 1)[0]}/&object={key}"


def gets(page: Page, key: str) -> list[dict[str, str]]:
    """The headers of every GetObject of a key, names in lower case."""
    return [{k.lower(): v for k, v in r["headers"].items()} for r in page.requests if r["method"] == "GET" and urlsplit(r["url"]).path.endswith(f"/{key}")]


async def test_parquet_is_read_by_ranges(studio: Page, jobs: Jobs, pictures: Path) -> None:
    """Rows, pages of rows, and what the columns hold, of a file that is mostly not read."""
    key = f"{unique('wide')}/houses.parquet"
    jobs.put(key, widened((PARQUET / "zstd.parquet").read_bytes(), 8 * MB))
    await studio.follow(look(jobs, key))
    await studio.shows("130", "9007199254740992", "Basel", "<img src=x onerror=window.pwned=1>", "2026-01-02", "[0,1]", "Rows 1 to 50", "of 8.39 MB were read")
    await looked_at(studio, pictures, "preview-parquet")
    await studio.click("Next rows", "button")
    await studio.shows("Rows 51 to 100", "62.5")
    await studio.click("Next rows", "button")
    await studio.shows("Rows 101 to 130", "161.25")
    await studio.click("Columns", "button", exact=True)
    await studio.shows("timestamp", "9007199254741121", "list")
    await looked_at(studio, pictures, "preview-parquet-columns")
    spans = [g["range"].removeprefix("bytes=").split("-") for g in gets(studio, key)]
    assert len(spans) >= 3
    assert sum(int(end) - int(begin) + 1 for begin, end in spans) < MB
    assert await studio.value("window.pwned") is None


async def test_parquet_of_every_codec(studio: Page, jobs: Jobs) -> None:
    folder = unique("codecs")
    for codec in CODECS:
        key = f"{folder}/{codec}.parquet"
        jobs.put(key, (PARQUET / f"{codec}.parquet").read_bytes())
        await studio.follow(look(jobs, key))
        await studio.until(f"document.querySelector('[class*=split-panel]') && document.body.innerText.includes({json.dumps(key)}) && [...document.querySelectorAll('.grid td')].some((c) => c.innerText === '61.25')")
        await studio.shows("9007199254741041")  # the fiftieth, by this file's own grid
        await studio.follow(f"{STUDIO}/data/{jobs.bucket}?prefix={folder}/")
        await studio.until("!document.querySelector('.grid')")


async def test_other_files_are_shown_as_what_they_are(studio: Page, jobs: Jobs) -> None:
    folder = unique("kinds")
    pixel = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d49444154789c6360f8cf50000003810181" "f7a4a2d70000000049454e44ae426082")
    shown = {"a.json": (b'{"deep": {"list": [1, "two"]}}', "two"), "b.txt": ("Grüezi".encode(), "Grüezi"), "c.bin": (b"\0\1\2", "Download it"), "d.csv": (b'a,b\n1,"x,y"\n', "x,y"), "e": (b"", "It is empty.")}
    for name, (body, text) in shown.items():
        jobs.put(f"{folder}/{name}", body)
        await studio.follow(look(jobs, f"{folder}/{name}"))
        await studio.shows(f"s3://{jobs.bucket}/{folder}/{name}", text)
    jobs.put(f"{folder}/p.png", pixel)
    await studio.follow(look(jobs, f"{folder}/p.png"))
    await studio.until("document.querySelector('img.picture')?.alt === 'p.png'")


async def test_an_object_is_downloaded_whole(studio: Page, jobs: Jobs) -> None:
    folder, body = unique("kept"), bytes(range(256)) * 800  # no text, and longer than a preview's first bytes
    jobs.put(f"{folder}/all, ü.bin", body)
    jobs.put(f"{folder}/b.txt", "b")
    await studio.follow(f"{STUDIO}/data/{jobs.bucket}?prefix={folder}/")
    await watched(studio)
    await studio.click("Choose all, ü.bin", "input")
    await studio.click("Download", "button", exact=True)
    assert await downloaded(studio) == ("all, ü.bin", body)
    await studio.click("Choose b.txt", "input")  # of two there is no one file
    await studio.until("!sw.find('button', 'Download', true)")


async def test_a_link_is_shared_and_several_are_deleted(studio: Page, jobs: Jobs, pictures: Path) -> None:
    folder = unique("several")
    keys = [f"{folder}/{n}, (it's) ü+1.txt" for n in "abc"]
    for key in keys:
        jobs.put(key, f"I am {key}")
    await studio.follow(f"{STUDIO}/data/{jobs.bucket}?prefix={folder}/")
    await studio.click("Choose a,", "input")
    await studio.click("Share a link", "button")
    url = str(await studio.until("document.querySelector('pre[aria-label=Link]')?.innerText"))
    await looked_at(studio, pictures, "share-a-link")
    async with httpx.AsyncClient() as http:
        assert (await http.get(url)).text == f"I am {keys[0]}"
        assert (await http.get(url.replace("/a%2C", "/b%2C"))).status_code == 403  # it is for one object
    await studio.click("Done", "button")
    await studio.click("Choose b,", "input")
    await studio.click("Delete", "button", exact=True)
    await studio.shows("Delete 2 entries?")
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Deleted.")
    left = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=folder)["Contents"]
    assert [o["Key"] for o in left] == [keys[2]]


BREAKS = """(() => { const real = window.fetch; let broken = 0; window.fetch = (request, more) => {
  const url = String(request.url ?? request);
  if (url.includes('partNumber=1&') && broken++ < 2) return Promise.reject(new TypeError('Failed to fetch'));
  return url.includes('partNumber=3&') ? new Promise(() => {}) : real(request, more);
}; })()"""


@pytest.mark.timeout(300)
async def test_an_upload_survives_failed_parts_and_a_reload(studio: Page, jobs: Jobs, tmp_path: Path) -> None:
    """A part that fails is sent again by itself; after a reload only what the server lacks is sent; another file of that name begins anew."""
    folder = unique("parts")
    file, data = tmp_path / "big.bin", bytes(range(256)) * (80 * 1024)  # 20 MiB: three parts
    file.write_bytes(data)
    address = f"{STUDIO}/data/{jobs.bucket}?prefix={folder}/"
    await studio.follow(address)
    await studio.shows("There is nothing here yet")
    await studio.value(BREAKS)
    await studio.choose("Files to upload", file)
    await studio.shows("67%")
    studio.requests.clear()
    await studio.goto(jobs.server.url + address)
    await studio.shows("An upload was not finished", f"{folder}/big.bin")
    await studio.choose("Files to upload", file)
    await studio.shows("Stored")
    sent = [parse_qs(urlsplit(r["url"]).query)["partNumber"] for r in studio.requests if r["method"] == "PUT" and "partNumber" in r["url"]]
    assert sent == [["3"]]
    assert jobs.get(f"s3://{jobs.bucket}/{folder}/big.bin") == data
    assert "not finished" not in await studio.text()

"""What a page gives the browser to keep as files."""

from __future__ import annotations

import base64
import json

from sagewright.testing.chromium import Page

WATCHED = """(() => { const blobs = {}, made = URL.createObjectURL, clicked = HTMLAnchorElement.prototype.click; window.kept = [];
  URL.createObjectURL = (blob) => { const url = made.call(URL, blob); blobs[url] = blob; return url; };
  HTMLAnchorElement.prototype.click = function () { if (this.download) window.kept.push({name: this.download, blob: blobs[this.href]}); return clicked.call(this); };
})()"""
SAID = """(async () => { const one = window.kept.shift(), bytes = new Uint8Array(await one.blob.arrayBuffer()); let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return JSON.stringify([one.name, btoa(text)]); })()"""


async def watched(page: Page) -> None:
    """Note from now on what this document gives the browser to keep."""
    await page.value(WATCHED)


async def downloaded(page: Page) -> tuple[str, bytes]:
    """The next file: its name and what is in it."""
    await page.until("window.kept.length > 0")
    name, body = json.loads(await page.value(SAID))
    return name, base64.b64decode(body)

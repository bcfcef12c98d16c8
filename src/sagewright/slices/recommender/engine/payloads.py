"""The payloads of a load test: the files of the sample archive, and what each is."""

from __future__ import annotations

from pathlib import Path

TYPES = {
    ".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines", ".jsonlines": "application/jsonlines",
    ".npy": "application/x-npy", ".npz": "application/x-npz", ".txt": "text/plain", ".libsvm": "text/libsvm",
    ".svm": "text/libsvm", ".pbr": "application/x-recordio-protobuf", ".recordio": "application/x-recordio-protobuf",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".parquet": "application/x-parquet",
}  # fmt: skip
"""Suffix → content type."""
MOST = 1000
"""Payloads that are used; more would hardly change anything."""


def read(folder: Path, content_types: list[str]) -> list[tuple[str, str, bytes]]:
    """(name, content type, body) of every payload, by name.

    Raises:
        ValueError: there is none.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))[:MOST]
    if not files:
        raise ValueError("The archive of SamplePayloadUrl has no file in it.")
    return [(str(p.relative_to(folder)), content_type(p.name, content_types), p.read_bytes()) for p in files]


def content_type(name: str, supported: list[str]) -> str:
    """What the suffix says, if it is among the supported ones or there are none; else the first of them."""
    said = TYPES.get(Path(name).suffix.lower(), "")
    if not supported:
        return said or "application/octet-stream"
    return said if said in supported else supported[0]

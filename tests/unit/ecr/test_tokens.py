"""The key that registry tokens are signed with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sagewright.slices.ecr.tokens import _secret
from sagewright.wire.errors import DomainError


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "ecr.key"
    key = _secret(path)
    assert len(key) == 32
    assert _secret(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["ecr.key"]


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_file_without_a_key_opens_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ecr.key").write_bytes(content)  # as a power failure may leave it
    with pytest.raises(DomainError, match=r"ecr\.key holds no key"):
        _secret(tmp_path / "ecr.key")

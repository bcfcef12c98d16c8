"""What an image's name means, and under which names it is looked for."""

from __future__ import annotations

import pytest

from sagewright.agent.oci.reference import BadReference, parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(("text", "names", "tag", "digest"), [
    ("trainer", ("trainer", "docker.io/library/trainer"), "latest", ""),
    ("team/trainer:2", ("team/trainer", "docker.io/team/trainer"), "2", ""),
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/trainer:2", ("team/trainer",), "2", ""),
    ("127.0.0.1:4566/team/trainer:2", ("team/trainer",), "2", ""),
    ("localhost:4566/trainer", ("trainer",), "latest", ""),
    ("123456789012.dkr.ecr.us-east-1.localhost:4566/trainer", ("trainer",), "latest", ""),
    ("docker.io/python:3.12", ("docker.io/library/python", "python", "python"), "3.12", ""),
    ("index.docker.io/library/python:3.12", ("docker.io/library/python", "library/python", "python"), "3.12", ""),
    ("ghcr.io/team/trainer@" + DIGEST, ("ghcr.io/team/trainer", "team/trainer"), "", DIGEST),
    ("registry.corp:5000/trainer:v1@" + DIGEST, ("registry.corp_5000/trainer", "trainer"), "v1", DIGEST),
])
def test_names(text: str, names: tuple[str, ...], tag: str, digest: str) -> None:
    found = parse(text)
    assert found.names == names
    assert (found.tag, found.digest) == (tag, digest)


@pytest.mark.parametrize("text", [
    "", ":1", "Upper/case", "a//b", "../etc", "a/../b", "a/_layers", "_tags", "a b", "a:b:c", "a@sha256:12", "a@md5:" + "a" * 64,
    "a:..", "a:" + "t" * 129, "x" * 300, "ghcr.io/", "-a", "a\0b", "http://ghcr.io/a",
])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(BadReference):
        parse(text)


def test_where_it_is_pulled_from() -> None:
    assert (parse("python:3").registry, parse("python:3").remote_path) == ("docker.io", "library/python")
    assert (parse("ghcr.io/a/b").registry, parse("ghcr.io/a/b").remote_path) == ("ghcr.io", "a/b")

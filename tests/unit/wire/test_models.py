"""The static table and the models agree with the installed botocore; every pattern compiles."""

from __future__ import annotations

import botocore.loaders
import pytest

from sagewright.wire.models import Models, UnknownOperation, UnknownService
from sagewright.wire.patterns import compiled, matcher

MODELS = Models()


@pytest.mark.parametrize("name", list(MODELS.infos))
def test_the_table_is_botocores(name: str) -> None:
    info = MODELS.infos[name]
    metadata = botocore.loaders.Loader().load_service_model(name, "service-2")["metadata"]
    assert info.signing == (metadata.get("signingName") or metadata["endpointPrefix"])
    assert info.target == metadata.get("targetPrefix", "")
    assert info.version == metadata["apiVersion"]


@pytest.mark.parametrize("name", list(MODELS.infos))
def test_every_pattern_compiles(name: str) -> None:
    service = MODELS.service(name)
    for shape in service.shape_names:
        pattern = service.shape(shape).pattern
        if pattern:
            compiled(pattern)


@pytest.mark.parametrize(("pattern", "good", "bad"), [
    (r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "a-b--c", "-a"),
    (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 漢 1", "a#b"),
    (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "smile 😀", "bell \x07"),
    (r"arn:[\p{Alnum}\-]+:x", "arn:aws-cn1:x", "arn:a_b:x"),
    (r"[a-z&&[^b]]+", "acd", "abc"),
    (r"[a--z]+", "a-z", "b"),
    (r"[]a]+", "a]", "b"),
    (r"\x{1F600}\z", "😀", "😀\n"),
    (r"^a$", "a", "a\n"),
    (r".*", "one line", "two\nlines"),
    (r"[\S\s]*", "two\nlines", None),
])
def test_java_patterns(pattern: str, good: str, bad: str | None) -> None:
    fits = matcher(pattern)
    assert fits(good)
    assert fits(good)  # also from memory
    assert bad is None or not fits(bad)


def test_a_pattern_that_explodes_is_cut_off() -> None:
    assert not matcher(r"((a+)+)+b")("a" * 5000)


def test_unknown_names() -> None:
    with pytest.raises(UnknownService):
        MODELS.service("no-such-service")
    with pytest.raises(UnknownOperation):
        MODELS.operation("sagemaker", "NoSuchOperation")
    assert MODELS.error_codes("sagemaker", "CreateModel") == ["ResourceLimitExceeded"]
    assert len(MODELS.operations("sagemaker")) > 400

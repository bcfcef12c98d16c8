"""The model server's limits."""

from __future__ import annotations

import pytest

from sagewright_container import serve


@pytest.mark.parametrize(("said", "limit"), [
    ({}, serve.BODY_LIMIT),
    ({"MAX_CONTENT_LENGTH": "1000"}, 1000),
    ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "3"}, 3 * serve.MB),
    ({"MAX_CONTENT_LENGTH": "1000", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3"}, 1000),
    ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, serve.BODY_LIMIT),
    ({"MAX_CONTENT_LENGTH": "much"}, serve.BODY_LIMIT),
])  # fmt: skip
def test_how_much_a_request_may_hold(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], limit: int) -> None:
    for name in ("MAX_CONTENT_LENGTH", "SAGEMAKER_MAX_PAYLOAD_IN_MB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert serve.body_limit() == limit


def test_an_asynchronous_input_fits() -> None:
    from sagewright.slices.async_inference.storage import LARGEST

    assert LARGEST <= serve.BODY_LIMIT

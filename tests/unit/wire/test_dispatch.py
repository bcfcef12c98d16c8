"""Whom the dispatcher lets in."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.wire.dispatch import Dispatcher
from sagewright.wire.errors import AccessDenied
from sagewright.wire.models import Models
from sagewright.wire.operations import Operations
from sagewright.wire.types import Call

from .wireserver import ACCOUNT, ROLE, Keys


async def test_a_call_on_nothing_is_asked_about_all_the_same() -> None:
    keys, operations = Keys(denied={"sagemaker:ListModels"}), Operations()

    async def answer(call: Call) -> dict[str, Any]:
        return {"Models": []}

    operations.bind("sagemaker", "ListModels", answer, resources=lambda call: [])
    dispatcher = Dispatcher(Models(), operations, None, lambda: keys)
    with pytest.raises(AccessDenied):
        await dispatcher.invoke(Call("sagemaker", "ListModels", {}, ROLE, ACCOUNT, "us-east-1", "r"))
    assert keys.asked == [("sagemaker:ListModels", "*")]

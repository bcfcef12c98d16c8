"""Reasons for what is not built: each names something real, and nothing that is built."""

import re

from sagewright.bootstrap.coverage import coverage
from sagewright.wire.absent import REASONS, reason


def test_reasons_speak_of_what_is_missing_alone() -> None:
    found = coverage()
    for service, names, _ in REASONS:
        assert any(re.fullmatch(names, name) for name in found[service])
    for service, operations in found.items():
        assert not [name for name, state in operations.items() if state != "missing" and reason(service, name)]

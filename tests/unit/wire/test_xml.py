"""XML that is not read."""

from __future__ import annotations

import pytest

from sagewright.wire.codecs.xml import parse_xml
from sagewright.wire.http import WireFault

DECLARED = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_no_document_type_in_any_encoding(encoding: str) -> None:
    with pytest.raises(WireFault, match="not well-formed"):
        parse_xml(DECLARED.encode(encoding))

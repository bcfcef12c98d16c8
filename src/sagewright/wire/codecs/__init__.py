"""Protocols: how a call and its answer look as bytes."""

from __future__ import annotations

from .base import Codec, Failure
from .cbor import CborCodec
from .json import JsonCodec
from .query import QueryCodec, read_form
from .rest import RestCodec, RestJsonCodec, RestXmlCodec


class Codecs:
    """One instance of each protocol, shared by a server's calls."""

    def __init__(self) -> None:
        self.json_10 = JsonCodec("1.0")
        self.json_11 = JsonCodec("1.1")
        self.rest_json = RestJsonCodec()
        self.rest_xml = RestXmlCodec()
        self.query = QueryCodec()
        self.cbor = CborCodec()

    def for_protocol(self, protocol: str) -> Codec:
        """By botocore's name of a REST protocol."""
        return self.rest_xml if protocol == "rest-xml" else self.rest_json


__all__ = ["Codec", "Codecs", "Failure", "JsonCodec", "QueryCodec", "RestCodec", "RestJsonCodec", "RestXmlCodec", "read_form"]

"""XML elements ↔ values of a shape, for S3 and for the query protocol's answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from ..http import WireFault
from ..models import Member, Shape
from .values import ISO, text_reader, text_writer

Emit = Callable[[Any, list[str]], None]

_SPECIAL = re.compile(r"[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    return _SPECIAL.sub(lambda m: _ENTITIES.get(m.group()) or f"&#{ord(m.group())};", text)


def parse_xml(text: bytes) -> ElementTree.Element:
    """Raises WireFault for anything but plain, well-formed XML; documents with a DTD are refused."""
    if b"\0" in text:
        raise _malformed("it must be UTF-8")  # in UTF-16 a declaration would not be seen here
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise _malformed("a document type declaration is not allowed")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _malformed(str(error)) from None


def _malformed(why: str) -> WireFault:
    return WireFault(
        "SerializationException",
        f"The XML you provided was not well-formed or did not validate against our published schema ({why})",
        query="MalformedInput", xml="MalformedXML",
    )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def flattened(member: Member) -> bool:
    return bool(member.traits.get("flattened") or member.shape.traits.get("flattened"))


def element_name(member: Member, name: str) -> str:
    """The tag of a member within its structure: a flattened list uses its element's name where that has one."""
    shape = member.shape
    if shape.type == "list" and flattened(member) and shape.element is not None:
        inner = shape.element.traits.get("locationName")
        if inner:
            return str(inner)
    return str(member.traits.get("locationName", name))


class XmlReader:
    """Element → value. Unknown elements are left out."""

    def __init__(self) -> None:
        self._tables: dict[Shape, dict[str, tuple[str, Member]]] = {}

    def structure(self, shape: Shape, node: ElementTree.Element) -> dict[str, Any]:
        table = self._table(shape)
        out: dict[str, Any] = {}
        for child in node:
            known = table.get(_local(child.tag))
            if known is None:
                continue
            name, member = known
            if flattened(member) and member.type in {"list", "map"}:
                self._gather(out, name, member, child)
            else:
                out[name] = self.value(member, child)
        for name, member in shape.members.items():
            if member.traits.get("xmlAttribute"):
                wanted = member.wire_name.rpartition(":")[2]
                for key, text in node.attrib.items():
                    if _local(key) == wanted:
                        out[name] = text
        return out

    def _gather(self, out: dict[str, Any], name: str, member: Member, child: ElementTree.Element) -> None:
        shape = member.shape
        if shape.type == "list":
            assert shape.element is not None
            out.setdefault(name, []).append(self.value(shape.element, child))
        else:
            self._entry(shape, child, out.setdefault(name, {}))

    def value(self, member: Member, node: ElementTree.Element) -> Any:
        shape = member.shape
        if shape.type == "structure":
            return self.structure(shape, node)
        if shape.type == "list":
            assert shape.element is not None
            return [self.value(shape.element, child) for child in node]
        if shape.type == "map":
            out: dict[str, Any] = {}
            for child in node:
                self._entry(shape, child, out)
            return out
        return text_reader(shape.type)(node.text or "")

    def _entry(self, shape: Shape, node: ElementTree.Element, out: dict[str, Any]) -> None:
        assert shape.key is not None
        assert shape.value is not None
        parts = {_local(child.tag): child for child in node}
        key = parts.get(str(shape.key.traits.get("locationName", "key")))
        value = parts.get(str(shape.value.traits.get("locationName", "value")))
        if key is not None and value is not None:
            out[key.text or ""] = self.value(shape.value, value)

    def _table(self, shape: Shape) -> dict[str, tuple[str, Member]]:
        known = self._tables.get(shape)
        if known is None:
            known = self._tables[shape] = {
                element_name(m, n): (n, m) for n, m in shape.members.items() if not m.location
            }
        return known


class XmlWriter:
    """Value → elements, compiled once a shape."""

    def __init__(self) -> None:
        self._structures: dict[Shape, Emit] = {}

    def structure(self, shape: Shape) -> Emit:
        """Writes what stands inside a structure's element, without the element itself."""
        known = self._structures.get(shape)
        if known is not None:
            return known
        table: dict[str, Emit] = {}

        def emit(value: Mapping[str, Any], out: list[str]) -> None:
            for name, write in table.items():
                item = value.get(name)
                if item is not None:
                    write(item, out)

        self._structures[shape] = emit
        for name, member in shape.members.items():
            if not member.location and not member.traits.get("xmlAttribute"):
                table[name] = self.member(member, element_name(member, name))
        return emit

    def member(self, member: Member, tag: str) -> Emit:
        shape = member.shape
        if shape.type == "structure":
            return self._element(member, tag, self.structure(shape))
        if shape.type == "list":
            return self._list(member, tag)
        if shape.type == "map":
            return self._map(member, tag)
        text = text_writer(member, ISO)
        return lambda value, out: out.append(f"<{tag}>{escape(text(value))}</{tag}>")

    def _element(self, member: Member, tag: str, inner: Emit) -> Emit:
        shape = member.shape
        attributes = [(n, m) for n, m in shape.members.items() if m.traits.get("xmlAttribute")]
        space = member.traits.get("xmlNamespace") or shape.traits.get("xmlNamespace") or {}
        declared = ""
        if attributes and space.get("uri"):
            declared = f' xmlns{":" + space["prefix"] if space.get("prefix") else ""}={quoteattr(space["uri"])}'

        def emit(value: Mapping[str, Any], out: list[str]) -> None:
            said = "".join(
                f" {m.wire_name}={quoteattr(str(value[n]))}" for n, m in attributes if value.get(n) is not None
            )
            out.append(f"<{tag}{declared}{said}>")
            inner(value, out)
            out.append(f"</{tag}>")

        return emit

    def _list(self, member: Member, tag: str) -> Emit:
        assert member.shape.element is not None
        if flattened(member):
            one = self.member(member.shape.element, tag)

            def emit_flat(value: Any, out: list[str]) -> None:
                for item in value:
                    one(item, out)

            return emit_flat
        each = self.member(member.shape.element, str(member.shape.element.traits.get("locationName", "member")))

        def emit(value: Any, out: list[str]) -> None:
            out.append(f"<{tag}>")
            for item in value:
                each(item, out)
            out.append(f"</{tag}>")

        return emit

    def _map(self, member: Member, tag: str) -> Emit:
        shape = member.shape
        assert shape.key is not None
        assert shape.value is not None
        key = self.member(shape.key, str(shape.key.traits.get("locationName", "key")))
        item = self.member(shape.value, str(shape.value.traits.get("locationName", "value")))
        flat = flattened(member)
        entry = tag if flat else "entry"

        def emit(value: Mapping[str, Any], out: list[str]) -> None:
            if not flat:
                out.append(f"<{tag}>")
            for k, v in value.items():
                out.append(f"<{entry}>")
                key(k, out)
                item(v, out)
                out.append(f"</{entry}>")
            if not flat:
                out.append(f"</{tag}>")

        return emit

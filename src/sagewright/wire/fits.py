"""Whether a document fits its shape: yes or no, quickly. What does not fit, ``validation`` looks at again and says why.

Each shape becomes one small function, written out and compiled at its first use: members of small structures are looked
at one by one without a call for each. A no may be wrong, for values that a model allows and clients do not send (subclasses
of the plain types, datetimes); a yes never is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .models import Member, Shape
from .patterns import matcher
from .written import Written

Fits = Callable[[Any], bool]
INTEGERS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1), "short": (-(2**15), 2**15 - 1),
            "byte": (-128, 127)}
_FEW = 12
"""Members of a structure that are looked for one by one; a larger one is walked through."""
_NUMBER = "(type(x) is float or type(x) is int)"
_PLAIN = {"boolean": "type(x) is bool", "timestamp": _NUMBER}


def instance(value: str, shape: Shape) -> bool:
    """Instance types are open: any ``ml.`` name passes."""
    return value in shape.enum or (value.startswith("ml.") and value.count(".") >= 2)


class Fitting:
    """The functions of one server, by shape."""

    def __init__(self) -> None:
        self._written = Written(self._body)

    def of(self, shape: Shape) -> Fits:
        """Of a structure."""
        return self._written.of(shape)

    def _body(self, shape: Shape) -> list[str]:
        if shape.type == "list":
            assert shape.element is not None
            return [
                f" if type(v) is not list or not ({_size(shape, 'v')}): return False",
                " for x in v:", f"  if x is None or not ({self._member(shape.element)}): return False", " return True",
            ]
        if shape.type == "map":
            assert shape.key is not None
            assert shape.value is not None
            return [
                f" if type(v) is not dict or not ({_size(shape, 'v')}): return False",
                " for x in v:", f"  if not ({self._test(shape.key.shape)}): return False",
                " for x in v.values():", f"  if x is None or not ({self._member(shape.value)}): return False",
                " return True",
            ]
        return [" if type(v) is not dict: return False", *self._structure(shape), " return True"]

    def _structure(self, shape: Shape) -> list[str]:
        union = bool(shape.traits.get("union"))
        lines = [" n = 0"] if union else []
        if len(shape.members) <= _FEW:
            lines.append(" get = v.get")
            for name, member in shape.members.items():
                missing = "return False" if name in shape.required else "pass"
                lines += [f" x = get({name!r})", f" if x is None: {missing}", f" elif not ({self._member(member)}): return False"]
                lines += [" else: n += 1"] if union else []
        else:
            tests = self._written.keep({})
            compile_ = self._written.keep(lambda name: self._one(shape, name, tests))
            lines += [f" if v.get({name!r}) is None: return False" for name in shape.members if name in shape.required]
            lines += [
                " for k, x in v.items():", "  if x is not None:", f"   t = {tests}.get(k) or {compile_}(k)",
                "   if t is None: continue", "   if not t(x): return False",
            ]
            lines += ["   n += 1"] if union else []
        return [*lines, " if n != 1: return False"] if union else lines

    def _one(self, shape: Shape, name: str, tests: str) -> Fits | None:
        """The test of one member of a large structure; None for a name that it does not have."""
        member = shape.members.get(name)
        if member is None:
            return None
        made = self._written.keep(None)
        self._written.define(f"def {made}(x): return {self._member(member)}")
        test: Fits = self._written[made]
        self._written[tests][name] = test
        return test

    def _member(self, member: Member) -> str:
        """A test of ``x``, as the text of an expression."""
        if member.trait("streaming") or member.shape.traits.get("eventstream"):
            return "hasattr(x, '__aiter__') or type(x) is bytes"
        if member.location == "header" and member.trait("jsonvalue"):
            return "True"
        return self._test(member.shape)

    def _test(self, shape: Shape) -> str:
        if shape.document:
            return "True"
        if shape.type in {"structure", "list", "map"}:
            return f"{self._written.name(shape)}(x)"
        if shape.type in _PLAIN:
            return _PLAIN[shape.type]
        if shape.type == "blob":
            return f"type(x) is bytes and {_size(shape, 'x')}"
        if shape.type in {"string", "character"}:
            return self._string(shape)
        kind = "type(x) is int" if shape.type in INTEGERS else _NUMBER
        low, high = INTEGERS.get(shape.type, (None, None))
        return f"{kind} and {_between(low if shape.minimum is None else shape.minimum, 'x', high if shape.maximum is None else shape.maximum)}"

    def _string(self, shape: Shape) -> str:
        tests = ["type(x) is str", _size(shape, "x")]
        if shape.enum and shape.name.endswith("InstanceType"):
            tests.append(f"{self._written.keep(lambda value: instance(value, shape))}(x)")
        elif shape.enum:
            tests.append(f"x in {self._written.keep(frozenset(shape.enum))}")
        if shape.pattern:
            tests.append(f"{self._written.keep(matcher(shape.pattern))}(x)")
        return " and ".join(tests)


def _size(shape: Shape, name: str) -> str:
    return _between(shape.minimum, f"len({name})", shape.maximum)


def _between(low: float | None, what: str, high: float | None) -> str:
    if low is None and high is None:
        return "True"
    return f"{'' if low is None else f'{low} <= '}{what}{'' if high is None else f' <= {high}'}"

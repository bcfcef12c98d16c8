"""Parameters of a pipeline: declared in its definition, given as texts when an execution starts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...wire.errors import Invalid

LARGEST = 1 << 63
"""What an Integer is smaller than, with either sign: documents have no larger ones."""
MOST = 200
"""Parameters that an execution may be given."""
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter."""

    name: str
    type: str
    """String, Integer, Float or Boolean."""
    default: Any = None
    among: tuple[Any, ...] = ()

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Parameter:
        """Raises Invalid."""
        name, type_ = raw.get("Name"), raw.get("Type", "String")
        if not isinstance(name, str) or not name:
            raise Invalid("Unable to parse pipeline definition. Every parameter needs a Name.")
        if type_ not in ("String", "Integer", "Float", "Boolean"):
            raise Invalid(f"Unable to parse pipeline definition. The parameter {name} has the unknown type {type_!r}.")
        bare, choices = cls(name, type_), raw.get("EnumValues") or []
        if not isinstance(choices, list):
            raise Invalid(f"Unable to parse pipeline definition. EnumValues of the parameter {name} must be a list.")
        among = tuple(bare.value(v) for v in choices)
        whole = cls(name, type_, None, among)
        return cls(name, type_, None if raw.get("DefaultValue") is None else whole.value(raw["DefaultValue"]), among)

    def value(self, given: Any) -> Any:
        """What was given, of the parameter's type. Raises Invalid."""
        value = self._typed(given)
        if value is None:
            raise Invalid(f"The value {given!r} of the parameter {self.name} is not of type {self.type}.")
        if self.among and value not in self.among:
            raise Invalid(f"The value {given!r} of the parameter {self.name} is not one of {', '.join(map(str, self.among))}.")
        return value

    def _typed(self, given: Any) -> Any:
        text = str(given)
        try:
            if self.type == "Integer":
                whole = not isinstance(given, float) or given.is_integer()
                return number if whole and abs(number := int(text.removesuffix(".0"))) < LARGEST else None  # int("True") is an error
            if self.type == "Float":
                return found if math.isfinite(found := float(text)) else None
        except ValueError:
            return None
        if self.type == "Boolean":
            return _WORDS.get(text.lower())
        return text if isinstance(given, str) else None


def values(declared: Mapping[str, Parameter], given: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Every parameter's value for an execution, by name.

    Args:
        given: ``PipelineParameters`` of the request, ``{"Name", "Value"}`` each.

    Raises:
        Invalid: one is unknown, given twice, of another type, or has no value.
    """
    if len(given) > MOST:
        raise Invalid(f"An execution can be given at most {MOST} parameters.")
    found = {name: parameter.default for name, parameter in declared.items()}
    names = [each["Name"] for each in given]
    if unknown := sorted(set(names) - set(declared)):
        raise Invalid(f"Unknown pipeline parameters: {', '.join(unknown)}. The pipeline has: {', '.join(sorted(declared)) or 'none'}.")
    if len(set(names)) < len(names):
        raise Invalid("A pipeline parameter was given more than once.")
    for each in given:
        found[each["Name"]] = declared[each["Name"]].value(each.get("Value", ""))
    if missing := sorted(name for name, value in found.items() if value is None):
        raise Invalid(f"Pipeline parameters without a default need a value: {', '.join(missing)}.")
    return found

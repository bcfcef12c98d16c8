"""Filter policies of subscriptions: which messages a subscriber wants. Pure.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...wire.errors import Invalid, NotImplementedHere

_OPERATORS = ("prefix", "suffix", "anything-but", "equals-ignore-case", "numeric", "exists")
_COMPARE = {"=": float.__eq__, "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}
MOST = 150
"""Combinations of values that a policy may have."""
Policy = Mapping[str, Any]


def check(text: str, scope: str) -> None:
    """Raises Invalid unless ``text`` is a filter policy; NotImplementedHere for an operator that is not built."""
    if not text:
        return
    try:
        policy = json.loads(text)
    except ValueError as error:
        raise _bad(f"failed to parse JSON: {error}") from None
    _check_object(policy, scope)


def _check_object(policy: Any, scope: str) -> int:
    if not isinstance(policy, dict):
        raise _bad("a filter policy must be an object")
    combinations = 1
    for key, wanted in policy.items():
        if key == "$or" and isinstance(wanted, list) and len(wanted) > 1 and all(isinstance(w, dict) for w in wanted):
            combinations *= sum(_check_object(w, scope) for w in wanted)
        elif isinstance(wanted, list):
            if not wanted:
                raise _bad(f'"{key}" must not be empty')
            for rule in wanted:
                _check_rule(key, rule)
            combinations *= len(wanted)
        elif isinstance(wanted, dict) and scope == "MessageBody":
            combinations *= _check_object(wanted, scope)
        else:
            raise _bad(f'"{key}" must be an object or an array' if scope == "MessageBody" else f'"{key}" must be an array')
        if combinations > MOST:
            raise _bad("filter policy is too complex")
    return combinations


def _check_rule(key: str, rule: Any) -> None:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise _bad(f'match value of "{key}" must be String, number, true, false, or null')
        return
    if len(rule) != 1:
        raise _bad(f'"{key}": only one key allowed in match expression')
    ((operator, operand),) = rule.items()
    if operator in ("cidr", "wildcard"):
        raise NotImplementedHere(f"Filter policies with {operator} are not implemented.")
    if operator not in _OPERATORS:
        raise _bad(f'"{key}": unrecognized match type {operator}')
    if operator == "numeric" and not (
        isinstance(operand, list) and len(operand) in (2, 4)
        and all(isinstance(o, str) and o in _COMPARE for o in operand[::2]) and all(_number(n) is not None for n in operand[1::2])
    ):
        raise _bad(f'"{key}": value of numeric must be an array of operators and numbers')
    if operator in ("prefix", "suffix", "equals-ignore-case") and not isinstance(operand, str):
        raise _bad(f'"{key}": value of {operator} must be a string')
    if operator == "exists" and not isinstance(operand, bool):
        raise _bad(f'"{key}": value of exists must be true or false')


def _bad(text: str) -> Invalid:
    return Invalid(f"Invalid parameter: FilterPolicy: {text}")


def wants(policy: Policy | None, scope: str, message: str, attributes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a subscription with this policy gets the message."""
    if not policy:
        return True
    if scope == "MessageBody":
        try:
            body = json.loads(message)
        except ValueError:
            return False
        return isinstance(body, dict) and _object(policy, body)
    return _object(policy, {name: _values(value) for name, value in attributes.items()})


def _values(attribute: Mapping[str, Any]) -> Any:
    """What a message attribute stands for: a string, a number, or the elements of a String.Array."""
    kind, text = attribute.get("DataType", "String"), attribute.get("StringValue")
    if kind.partition(".")[0] == "Number":
        try:
            return float(text or "")
        except ValueError:
            return text
    if kind == "String.Array":
        try:
            found = json.loads(text or "")
        except ValueError:
            return text
        return found if isinstance(found, list) else text
    return text


def _object(policy: Policy, found: Mapping[str, Any]) -> bool:
    for key, wanted in policy.items():
        if key == "$or" and isinstance(wanted, list) and all(isinstance(w, dict) for w in wanted):
            if not any(_object(w, found) for w in wanted):
                return False
        elif isinstance(wanted, dict):
            inner = found.get(key)
            inners = inner if isinstance(inner, list) else [inner]
            if not any(_object(wanted, one if isinstance(one, dict) else {}) for one in inners):
                return False
        elif not any(_rule(rule, found.get(key), key in found) for rule in wanted):
            return False
    return True


def _rule(rule: Any, value: Any, present: bool) -> bool:
    if isinstance(rule, dict):
        ((operator, operand),) = rule.items()
        if operator == "exists":
            return present is operand
        if not present:
            return False
        values = value if isinstance(value, list) else [value]
        if operator == "anything-but":
            return not any(_denied(operand, one) for one in values)
        return any(_operator(operator, operand, one) for one in values)
    values = value if isinstance(value, list) else [value]
    return present and any(_same(rule, one) for one in values)


def _denied(operand: Any, value: Any) -> bool:
    if isinstance(operand, dict):
        ((operator, inner),) = operand.items()
        return _operator(operator, inner, value)
    return any(_same(one, value) for one in (operand if isinstance(operand, list) else [operand]))


def _operator(operator: str, operand: Any, value: Any) -> bool:
    if operator == "numeric":
        number = _number(value)
        return number is not None and all(
            _COMPARE[sign](number, float(bound)) for sign, bound in zip(operand[::2], operand[1::2], strict=True)
        )
    if not isinstance(value, str):
        return False
    if operator == "prefix":
        return value.startswith(operand)
    if operator == "suffix":
        return value.endswith(operand)
    return operator == "equals-ignore-case" and value.casefold() == operand.casefold()


def _same(rule: Any, value: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    if isinstance(rule, bool) or isinstance(value, bool) or rule is None or value is None:
        return rule is value
    if isinstance(rule, (int, float)) and isinstance(value, (int, float)):
        return float(rule) == float(value)
    return isinstance(rule, str) and rule == value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

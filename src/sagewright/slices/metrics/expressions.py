"""Metric math, the part of it that alarms and scaling use: numbers, ids, arithmetic, comparisons (1 or 0), AND and OR,
parentheses, [lists], METRICS(), SUM, AVG, MIN, MAX, ABS, CEIL, FLOOR, IF and FILL.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html names the whole language; what is
not here answers ValidationError.
"""

from __future__ import annotations

import math
import operator
import re
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...wire.errors import ServiceError

Series = dict[int, float]
"""Start of the period → value."""
Value = float | Series | list[Series]

_TOKEN = re.compile(r"""\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|("[^"]*"|'[^']*')|([<>=!]=|&&|\|\||.))""", re.S)
_OPERATORS: dict[str, tuple[int, Callable[[float, float], float]]] = {
    **dict.fromkeys(("OR", "||"), (1, lambda a, b: bool(a) or bool(b))),
    **dict.fromkeys(("AND", "&&"), (2, lambda a, b: bool(a) and bool(b))),
    "==": (3, operator.eq), "!=": (3, operator.ne), "<": (3, operator.lt), ">": (3, operator.gt), "<=": (3, operator.le), ">=": (3, operator.ge),
    "+": (4, operator.add), "-": (4, operator.sub), "*": (5, operator.mul), "/": (5, operator.truediv), "^": (6, operator.pow),
}  # fmt: skip
_PRODUCT = 5
_EACH: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_REDUCE: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum, "AVG": lambda values: sum(values) / len(values), "MIN": min, "MAX": max,
}  # fmt: skip
DEEPEST = 50


def evaluate(expression: str, lookup: Callable[[str], Series], metrics: Mapping[str, Series], times: Sequence[int] = ()) -> Series:
    """A time series.

    Args:
        expression: the text.
        lookup: the series of another query's id; raises ServiceError for an unknown one.
        metrics: what METRICS() means: the series of every query that is a metric.
        times: what FILL fills: the start of every period asked for.

    Raises:
        ServiceError: ValidationError with what is wrong.
    """
    result = _Parser(expression, lookup, metrics, times).whole()
    if not isinstance(result, dict):
        raise wrong(expression, "it must result in one time series")
    return result


def wrong(expression: str, why: str) -> ServiceError:
    return ServiceError("ValidationError", f"Error in expression '{expression}': {why}.")


class _Parser:
    """Precedence climbing; values are computed while reading."""

    def __init__(self, text: str, lookup: Callable[[str], Series], metrics: Mapping[str, Series], times: Sequence[int]) -> None:
        self._text, self._lookup, self._metrics, self._times = text, lookup, metrics, times
        self._tokens = [m.groups() for m in _TOKEN.finditer(text.rstrip())]
        self._at = self._depth = 0

    def whole(self) -> Value:
        value = self._sum(1)
        if self._at < len(self._tokens):
            raise self._wrong(f"unexpected {self._peek()}")
        return value

    def _sum(self, level: int) -> Value:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong("it is nested too deeply")
        left = self._operand()
        while (found := _OPERATORS.get(self._peek())) and found[0] >= level:
            symbol = self._next()
            right = self._sum(found[0] + (symbol != "^"))
            left = self._combine(found[1], left, right)
        self._depth -= 1
        return left

    def _operand(self) -> Value:
        if self._at >= len(self._tokens):
            raise self._wrong("it ends too early")
        number, name, text, _ = self._tokens[self._at]
        symbol = self._next()
        if number is not None:
            return float(number)
        if symbol == "-":
            return self._combine(operator.mul, -1.0, self._sum(_PRODUCT))
        if symbol == "(":
            value = self._sum(1)
            self._expect(")")
            return value
        if symbol == "[":
            return [s for value in self._list("]") for s in self._many(value)]
        if name is not None:
            return self._function(name) if self._peek() == "(" else self._lookup(name)
        raise self._wrong("text stands where a value should" if text else f"unexpected {symbol}")

    def _function(self, name: str) -> Value:
        self._next()
        if name == "METRICS":
            part = self._next()[1:-1] if self._peek()[:1] in ('"', "'") and self._peek() else ""
            self._expect(")")
            return [series for id_, series in self._metrics.items() if part in id_]
        if name == "FILL":
            return self._fill()
        arguments = self._list(")")
        if name == "IF" and len(arguments) in (2, 3):
            return self._choose(*arguments)
        if name in _REDUCE and len(arguments) == 1:
            return self._reduce(_REDUCE[name], arguments[0])
        if name in _EACH and len(arguments) == 1 and isinstance(arguments[0], dict):
            return {t: float(_EACH[name](v)) for t, v in arguments[0].items() if math.isfinite(v)}
        raise self._wrong(f"{name} with {len(arguments)} arguments is not implemented")

    def _fill(self) -> Value:
        """FILL(series, number | REPEAT | LINEAR): a value for each period that has none."""
        series = self._sum(1)
        self._expect(",")
        if not isinstance(series, dict):
            raise self._wrong("FILL fills one time series")
        if self._peek() in ("REPEAT", "LINEAR"):
            between = self._next() == "LINEAR"
            self._expect(")")
            return self._spread(series, between)
        value = self._sum(1)
        self._expect(")")
        if not isinstance(value, float):
            raise self._wrong("FILL fills with a number, REPEAT or LINEAR")
        return {**dict.fromkeys(self._times, value), **series}

    def _spread(self, series: Series, between: bool) -> Series:
        """The last value before a gap again, or a straight line through the gap; nothing before the first value."""
        known = sorted(series)
        filled = dict(series)
        for time in self._times:
            place = bisect(known, time)
            if time in series or place == 0 or (between and place == len(known)):
                continue
            before = known[place - 1]
            filled[time] = series[before]
            if between:
                after = known[place]
                filled[time] += (series[after] - series[before]) * (time - before) / (after - before)
        return filled

    def _choose(self, condition: Value, yes: Value, no: Value | None = None) -> Value:
        """IF: elementwise where the condition is a series; without the third argument, nothing where it is false."""
        if any(isinstance(value, list) for value in (condition, yes, no)):
            raise self._wrong("IF takes numbers and time series, not lists")
        if isinstance(condition, float):
            chosen = yes if condition else no
            return {} if chosen is None else chosen
        assert isinstance(condition, dict)
        found: Series = {}
        for time, holds in condition.items():
            chosen = yes if holds else no
            value = chosen.get(time) if isinstance(chosen, dict) else chosen
            if isinstance(value, float):
                found[time] = value
        return found

    def _reduce(self, combine: Callable[[list[float]], float], value: Value) -> Value:
        """Of a series one number; of several a series over all their times."""
        if isinstance(value, float):
            return value
        if isinstance(value, dict):
            return combine(list(value.values())) if value else math.nan
        times = sorted({t for series in value for t in series})
        return {t: combine([series[t] for series in value if t in series]) for t in times}

    def _combine(self, apply: Callable[[float, float], float], left: Value, right: Value) -> Value:
        if isinstance(left, list) or isinstance(right, list):
            raise self._wrong("lists cannot be combined by an operator; use SUM, AVG, MIN or MAX")
        if isinstance(left, float) and isinstance(right, float):
            return self._apply(apply, left, right) or 0.0
        times = set.intersection(*(set(side) for side in (left, right) if isinstance(side, dict)))
        found: Series = {}
        for time in sorted(times):
            here = (side[time] if isinstance(side, dict) else side for side in (left, right))
            if (value := self._apply(apply, *here)) is not None:
                found[time] = value
        return found

    @staticmethod
    def _apply(apply: Callable[[float, float], float], left: float, right: float) -> float | None:
        """None where there is no result, as for a division by zero."""
        try:
            value: Any = apply(left, right)
        except (ZeroDivisionError, OverflowError):
            return None
        return float(value) if isinstance(value, (int, float)) else None

    def _many(self, value: Value) -> list[Series]:
        if isinstance(value, float):
            raise self._wrong("a list holds time series, not numbers")
        return value if isinstance(value, list) else [value]

    def _list(self, end: str) -> list[Value]:
        found = [self._sum(1)]
        while self._peek() == ",":
            self._next()
            found.append(self._sum(1))
        self._expect(end)
        return found

    def _peek(self) -> str:
        return "".join(part or "" for part in self._tokens[self._at]) if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, symbol: str) -> None:
        if self._next() != symbol:
            raise self._wrong(f"{symbol} is missing")

    def _wrong(self, why: str) -> ServiceError:
        return wrong(self._text, why)

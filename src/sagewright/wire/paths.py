"""Which operation of a REST service a method, path and query mean: the model's templates, compiled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .http import Request
from .models import OperationModel, Service

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class _Route:
    name: str
    path: str
    pattern: re.Pattern[str]
    labels: tuple[str, ...]
    literals: Mapping[str, str]
    """Query keys that the template itself has; a value of '' asks only for the key."""
    needs: tuple[tuple[str, str], ...]
    """(place, name) of required query and header members."""
    weight: tuple[int, int]
    """Literal characters of the path first, then fewer greedy labels."""
    deprecated: bool


class Paths:
    """The routes of one service."""

    def __init__(self, service: Service) -> None:
        self._routes: dict[str, list[_Route]] = {}
        for name in service.operations:
            op = service.operation(name)
            if op.traits.get("endpoint", {}).get("hostPrefix", "").startswith("{RequestRoute}"):
                continue  # object lambda answers: another host, and their path would shadow a bucket's
            self._routes.setdefault(op.method, []).append(_compile(op))
        for routes in self._routes.values():
            routes.sort(key=lambda r: r.weight, reverse=True)
        self._plain = {method: [r for r in routes if not r.literals] for method, routes in self._routes.items()}
        """Those that a request without a query can mean: of S3's routes a few, and objects are written and read without one."""
        self._alone = {(method, path): route.name for method, routes in self._routes.items() for path, route in _alone(routes)}

    def match(self, request: Request, path: str | None = None) -> tuple[str, dict[str, str]] | None:
        """(operation, decoded labels) of a raw path; None when nothing fits."""
        raw = request.path if path is None else path
        alone = self._alone.get((request.method, raw))
        if alone is not None:
            return alone, {}
        best: tuple[tuple[object, ...], _Route, re.Match[str]] | None = None
        said = request.arg.get("x-id", "")
        for route in (self._routes if request.query else self._plain).get(request.method, ()):
            if route.literals and not _literal(route, request):
                continue
            found = route.pattern.fullmatch(raw)
            if found is None:
                continue
            present = sum(1 for need in route.needs if _has(need, request))
            rank = (
                route.weight, len(route.literals), said == route.name, present == len(route.needs), present,
                not route.deprecated,
            )
            if best is None or rank > best[0]:
                best = (rank, route, found)
        if best is None:
            return None
        _, route, found = best
        return route.name, {n: unquote(v) for n, v in zip(route.labels, found.groups(), strict=True)}

    def methods(self, path: str) -> list[str]:
        """Methods that some operation of that path has."""
        return sorted(m for m, routes in self._routes.items() if any(r.pattern.fullmatch(path) for r in routes))


def _alone(routes: list[_Route]) -> Iterator[tuple[str, _Route]]:
    """Paths of one method that are written out, and that no other route could mean as well."""
    for route in routes:
        path = route.path
        if not route.labels and not route.literals and [r for r in routes if r.pattern.fullmatch(path)] == [route]:
            yield path, route


def _literal(route: _Route, request: Request) -> bool:
    arg = request.arg
    for key, value in route.literals.items():  # noqa: SIM110  # a generator costs more than the checks
        if key not in arg or (value and arg[key] != value):
            return False
    return True


def _has(need: tuple[str, str], request: Request) -> bool:
    place, name = need
    return name in (request.headers if place == "header" else request.arg)


def _compile(op: OperationModel) -> _Route:
    path, _, query = op.uri.partition("?")
    labels: list[str] = []
    out: list[str] = []
    at = greedy = 0
    for found in _LABEL.finditer(path):
        out.append(re.escape(path[at : found.start()]))
        labels.append(found.group(1))
        greedy += bool(found.group(2))
        out.append("(.+)" if found.group(2) else "([^/]+)")
        at = found.end()
    out.append(re.escape(path[at:]))
    pattern = "".join(out)
    literals = {}
    for piece in query.split("&") if query else ():
        key, _, value = piece.partition("=")
        if key != "x-id":
            literals[key] = value
    needs = []
    if op.input is not None:
        for name, member in op.input.members.items():
            if name in op.input.required and member.location in {"querystring", "header"}:
                needs.append((member.location, member.wire_name.lower() if member.location == "header" else member.wire_name))
    weight = (len(_LABEL.sub("", path)), -greedy)
    # A final slash says nothing: JavaScript creates buckets with PUT /bucket/.
    tail = "" if pattern.endswith("(.+)") else "/?"
    return _Route(op.name, path, re.compile((pattern.rstrip("/") or "") + tail, re.DOTALL), tuple(labels), literals,
                  tuple(needs), weight, op.deprecated)

"""The service models, read from the installed botocore at a service's first use.

::

    models = Models()
    op = models.operation("sagemaker", "CreateModel")
    op.input.members["ModelName"].shape.pattern
    models.error_codes("sagemaker", "CreateModel")        # ["ResourceLimitExceeded"]

What the wire must know of every service before its model is loaded (signing name, target prefix, API version) stands
in ``services.json``, checked against botocore by a test. Fixes to AWS's models are data in ``overrides/<service>.json``,
merged over the model; a null removes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.loaders
import orjson

_HERE = Path(__file__).parent


class UnknownService(Exception):
    """botocore has no such service."""


class UnknownOperation(Exception):
    """The service has no such operation."""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What is known of a service without its model."""

    name: str
    signing: str
    """The service part of a SigV4 credential scope."""
    prefix: str
    """What IAM actions begin with: ``sagemaker`` for ``sagemaker-runtime``."""
    target: str = ""
    """What X-Amz-Target begins with."""
    version: str = ""
    """API version, which unsigned query calls carry."""
    id: str = ""
    """Service shape name in rpc-v2-cbor paths."""


class Member:
    """A use of a shape: a structure's member, or the element, key or value of a collection."""

    __slots__ = ("_shape", "_target", "name", "service", "traits")

    def __init__(self, service: Service, name: str, ref: Mapping[str, Any]) -> None:
        self.service = service
        self.name = name
        self._target: str = ref["shape"]
        self._shape: Shape | None = None
        self.traits: Mapping[str, Any] = ref

    @property
    def shape(self) -> Shape:
        if self._shape is None:
            self._shape = self.service.shape(self._target)
        return self._shape

    @property
    def type(self) -> str:
        return self.shape.type

    @property
    def location(self) -> str:
        """``header``, ``headers``, ``uri``, ``querystring``, ``statusCode``, or empty for the body."""
        return str(self.traits.get("location", ""))

    @property
    def wire_name(self) -> str:
        return str(self.traits.get("locationName", self.name))

    def trait(self, name: str, default: Any = None) -> Any:
        """A trait of this use, or else of the shape itself."""
        found = self.traits.get(name)
        return found if found is not None else self.shape.traits.get(name, default)


class Shape:
    """A type of a service model."""

    __slots__ = ("_events", "_members", "element", "enum", "key", "name", "required", "service", "traits", "type", "value")

    def __init__(self, service: Service, name: str, raw: Mapping[str, Any]) -> None:
        self.service = service
        self.name = name
        self.traits = raw
        self.type: str = raw["type"]
        """structure, list, map, string, integer, long, float, double, boolean, timestamp, blob or character."""
        self._members: dict[str, Member] | None = None
        self._events: list[Member] | None = None
        self.required: frozenset[str] = frozenset(raw.get("required", ()))
        self.element: Member | None = Member(service, "member", raw["member"]) if "member" in raw else None
        self.key: Member | None = Member(service, "key", raw["key"]) if "key" in raw else None
        self.value: Member | None = Member(service, "value", raw["value"]) if "value" in raw else None
        self.enum: tuple[str, ...] = tuple(raw.get("enum", ()))

    @property
    def members(self) -> dict[str, Member]:
        """A structure's members by wire name; empty for other types."""
        if self._members is None:
            self._members = {n: Member(self.service, n, ref) for n, ref in self.traits.get("members", {}).items()}
        return self._members

    @property
    def pattern(self) -> str | None:
        return self.traits.get("pattern")

    @property
    def minimum(self) -> float | None:
        return self.traits.get("min")

    @property
    def maximum(self) -> float | None:
        return self.traits.get("max")

    @property
    def document(self) -> bool:
        """Any JSON value."""
        return bool(self.traits.get("document"))

    @property
    def payload(self) -> Member | None:
        """The member that is the whole HTTP body, where one is."""
        name = self.traits.get("payload")
        return self.members[name] if name else None

    @property
    def events(self) -> Member | None:
        """The member that is an event stream, where one is."""
        if self._events is None:
            self._events = [m for m in self.members.values() if m.shape.traits.get("eventstream")]
        return self._events[0] if self._events else None

    def __repr__(self) -> str:
        return f"<Shape {self.service.name}.{self.name}: {self.type}>"


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An error that a model declares."""

    name: str
    """The shape's name: what JSON protocols send."""
    code: str
    """What query and XML protocols send."""
    status: int
    shape: Shape


class OperationModel:
    """One operation of a service."""

    __slots__ = ("_errors", "errors_by_name", "input", "input_traits", "method", "name", "output", "output_traits",
                 "service", "status", "traits", "uri")

    def __init__(self, service: Service, name: str, raw: Mapping[str, Any]) -> None:
        self.service = service
        self.name = name
        self.traits = raw
        http = raw.get("http", {})
        self.method: str = http.get("method", "POST")
        self.uri: str = http.get("requestUri", "/")
        self.status: int = http.get("responseCode", 200)
        self.input_traits: Mapping[str, Any] = raw.get("input", {})
        self.output_traits: Mapping[str, Any] = raw.get("output", {})
        self.input: Shape | None = service.shape(raw["input"]["shape"]) if "input" in raw else None
        self.output: Shape | None = service.shape(raw["output"]["shape"]) if "output" in raw else None
        self._errors: list[ErrorShape] | None = None

    @property
    def errors(self) -> list[ErrorShape]:
        if self._errors is None:
            self._errors = [self.service.error(ref["shape"]) for ref in self.traits.get("errors", ())]
        return self._errors

    @property
    def deprecated(self) -> bool:
        return bool(self.traits.get("deprecated"))

    @property
    def anonymous(self) -> bool:
        """The model itself says that callers need not sign."""
        return self.traits.get("authtype") == "none"

    def __repr__(self) -> str:
        return f"<OperationModel {self.service.name}.{self.name}>"


class Service:
    """One service's model."""

    def __init__(self, info: ServiceInfo, raw: dict[str, Any]) -> None:
        self.info = info
        self.name = info.name
        self.metadata: dict[str, Any] = raw["metadata"]
        self._raw = raw
        self._shapes: dict[str, Shape] = {}
        self._operations: dict[str, OperationModel] = {}

    @property
    def protocols(self) -> list[str]:
        return list(self.metadata.get("protocols") or [self.metadata["protocol"]])

    @property
    def json_version(self) -> str:
        return str(self.metadata.get("jsonVersion", "1.1"))

    @property
    def query_compatible(self) -> bool:
        """JSON errors also carry the code that the service's older query protocol had."""
        return "awsQueryCompatible" in self.metadata

    @property
    def operations(self) -> list[str]:
        return list(self._raw["operations"])

    def operation(self, name: str) -> OperationModel:
        """Raises UnknownOperation."""
        found = self._operations.get(name)
        if found is None:
            raw = self._raw["operations"].get(name)
            if raw is None:
                raise UnknownOperation(name)
            found = self._operations[name] = OperationModel(self, name, raw)
        return found

    def shape(self, name: str) -> Shape:
        found = self._shapes.get(name)
        if found is None:
            found = self._shapes[name] = Shape(self, name, self._raw["shapes"][name])
        return found

    @property
    def shape_names(self) -> Iterator[str]:
        return iter(self._raw["shapes"])

    def error(self, name: str) -> ErrorShape:
        shape = self.shape(name)
        said = shape.traits.get("error", {})
        status = said.get("httpStatusCode") or (500 if shape.traits.get("fault") else 400)
        return ErrorShape(name, str(said.get("code", name)), int(status), shape)

    def find_error(self, code: str) -> ErrorShape | None:
        """The declared error with that shape name or wire code, whichever operation lists it."""
        raw = self._raw["shapes"].get(code)
        if raw is not None and raw.get("exception"):
            return self.error(code)
        return self._errors_by_code().get(code)

    def _errors_by_code(self) -> dict[str, ErrorShape]:
        cached: dict[str, ErrorShape] | None = self.__dict__.get("_by_code")
        if cached is None:
            cached = {}
            for name, raw in self._raw["shapes"].items():
                if raw.get("exception"):
                    error = self.error(name)
                    cached.setdefault(error.code, error)
            self.__dict__["_by_code"] = cached
        return cached


class _Files(botocore.loaders.JSONFileLoader):  # type: ignore[misc]  # botocore is untyped
    """Reads model files with orjson and leaves their documentation out, which is most of their size."""

    def load_file(self, file_path: str) -> Any:
        for path, opener in ((Path(file_path + ".json"), None), (Path(file_path + ".json.gz"), gzip.open)):
            if path.is_file():
                data = path.read_bytes() if opener is None else opener(path).read()
                return orjson.loads(data)
        return None


class Models:
    """All services that the installed botocore knows. One per server; loads a service once, at its first use."""

    def __init__(self, overrides: Path = _HERE / "overrides") -> None:
        self._overrides = overrides
        self._services: dict[str, Service] = {}
        table = orjson.loads((_HERE / "services.json").read_bytes())
        self.infos: dict[str, ServiceInfo] = {name: ServiceInfo(name=name, **row) for name, row in table.items()}

    def service(self, name: str) -> Service:
        """Raises UnknownService."""
        found = self._services.get(name)
        if found is None:
            found = self._services[name] = self._load(name)
        return found

    def operation(self, service: str, name: str) -> OperationModel:
        """Raises UnknownService, UnknownOperation."""
        return self.service(service).operation(name)

    def operations(self, service: str) -> list[str]:
        """Names of all operations of a service, bound or not."""
        return self.service(service).operations

    def error_codes(self, service: str, name: str) -> list[str]:
        """Shape names of the errors that an operation declares."""
        return [error.name for error in self.operation(service, name).errors]

    def _load(self, name: str) -> Service:
        loader = botocore.loaders.Loader(file_loader=_Files())
        try:
            raw = loader.load_service_model(name, "service-2")
        except (botocore.loaders.UnknownServiceError, botocore.loaders.DataNotFoundError):
            raise UnknownService(name) from None
        raw = _without_documentation(raw)
        patch = self._overrides / f"{name}.json"
        if patch.is_file():
            _merge(raw, orjson.loads(patch.read_bytes()))
        return Service(self.infos.get(name) or _info(name, raw["metadata"]), raw)


def _info(name: str, metadata: Mapping[str, Any]) -> ServiceInfo:
    signing = str(metadata.get("signingName") or metadata["endpointPrefix"])
    return ServiceInfo(name, signing, signing, str(metadata.get("targetPrefix", "")), str(metadata["apiVersion"]))


def _without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        # A member may itself be called "documentation": only text is a description.
        return {
            k: _without_documentation(v) for k, v in value.items()
            if not (k in {"documentation", "documentationUrl", "examples"} and isinstance(v, str))
        }
    if isinstance(value, list):
        return [_without_documentation(v) for v in value]
    return value


def _merge(onto: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            onto.pop(key, None)
        elif isinstance(value, dict) and isinstance(onto.get(key), dict):
            _merge(onto[key], value)
        else:
            onto[key] = value

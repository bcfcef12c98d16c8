"""Which service, protocol and operation a request means. First match wins, on the raw, undecoded path.

The table is that of real clients: target header, CBOR path, form at ``/``, credential scope, path, SigV2, host, and
what is left is S3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .codecs import Codec, Codecs, read_form
from .http import Request, WireFault
from .models import Models, Service, UnknownOperation, UnknownService
from .paths import Paths
from .sigv4 import Scope, header_scope, parse_scope

_CBOR_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)")
_SAGEMAKER_PATHS = tuple((re.compile(pattern), service) for pattern, service in (
    (r"/endpoints/[^/]+/(invocations|async-invocations|invocations-response-stream)", "sagemaker-runtime"),
    (r"/FeatureGroup/.+|/BatchGetRecord|/BatchWriteRecord|/ListRecords", "sagemaker-featurestore-runtime"),
    (r"/BatchPutMetrics|/BatchGetMetrics", "sagemaker-metrics"),
    (r"/GetDeployments|/GetDeviceRegistration|/SendHeartbeat", "sagemaker-edge"),
    (r"/human-loops(/.*)?", "sagemaker-a2i-runtime"),
    (r"/inference-routers/.*", "sagemaker-inference-router-runtime"),
    (r"/sample.*|/complete-rollout|/update-reward", "sagemakerjobruntime"),
    (r"(/v1)?/training-sessions/.*", "sagemakertrainingsessionruntime"),
))
_NO_BUCKETS = 4
"""So many of them cannot be meant for S3, signed or not."""
_HOSTS = tuple((re.compile(pattern), service) for pattern, service in (
    (r"(runtime|featurestore-runtime|metrics|a2i-runtime|edge)\.sagemaker\.", "sagemaker-path"),
    (r"api\.sagemaker\.", "sagemaker"), (r"sts[.-]", "sts"), (r"iam\.", "iam"), (r"logs\.", "logs"),
    (r"monitoring\.", "cloudwatch"),
))
_LONGEST = 8192
"""Characters that the path of a SageMaker call may have."""
_AWS_BUCKET = re.compile(r"(?:(?P<bucket>.+?)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_LOCAL = re.compile(r"(\d+\.){3}\d+|\[.*\]|localhost")


@lru_cache(maxsize=256)
def _sagemaker_path(path: str) -> str:
    """The service that has a path to itself among those that sign as ``sagemaker``; empty when none."""
    return next((service for pattern, service in _SAGEMAKER_PATHS if pattern.fullmatch(path)), "")


@dataclass(slots=True)
class Target:
    """Where a request goes. ``operation`` is empty until the body of a query call has been read."""

    service: str
    codec: Codec
    operation: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    bucket_in_host: str = ""


class Router:
    """The table. ``domains``: host names of ours, under which ``<bucket>.<domain>`` is a bucket."""

    def __init__(self, models: Models, codecs: Codecs, domains: tuple[str, ...] = ()) -> None:
        self._models, self._codecs = models, codecs
        self._domains = domains
        self._paths: dict[str, Paths] = {}
        infos = models.infos.values()
        self._targets = {i.target: i.name for i in infos if i.target}
        self._ids = {i.id or i.target: i.name for i in infos if i.id or i.target}
        self._signing: dict[str, str] = {}
        for info in infos:
            self._signing.setdefault(info.signing, info.name)
        self._versions = {i.version: i.name for i in infos if i.version}
        self._signing["s3express"] = "s3"

    def route(self, request: Request) -> Target:
        """Raises RouteFault, which knows the protocol to answer in."""
        headers = request.headers
        cbor = _CBOR_PATH.fullmatch(request.path) if request.path.startswith("/service/") else None
        if cbor is not None or headers.get("smithy-protocol") == "rpc-v2-cbor":
            return self._cbor(cbor)
        target = headers.get("x-amz-target")
        if target is not None:
            return self._json(target, request)
        scope = self._scope(request)
        if request.method in {"POST", "GET"} and request.path == "/" and self._is_query(request):
            return self._query(request, scope)
        signed = self._signing.get(scope.service) if scope is not None else None
        if signed == "s3":
            return self._s3(request)
        if signed is not None:
            return self._by_scope(signed, request)
        if scope is not None:
            raise RouteFault(self._codecs.rest_json, None, WireFault(
                "UnknownOperationException", f"There is no service here that signs as {scope.service!r}", 404))
        if self._is_old_s3(request):
            return self._s3(request)
        hosted = self._by_host(request)
        if hosted is not None:
            return hosted
        for pattern, service in _SAGEMAKER_PATHS[:_NO_BUCKETS]:
            if pattern.fullmatch(request.path) and request.method != "GET":
                return self._rest(service, request)
        return self._s3(request)

    def operation_of(self, target: Target, request: Request, body: bytes) -> str:
        """The Action of a query call, once its body is there. Raises WireFault."""
        fields = read_form(request, body)
        action = fields.get("Action", "")
        if not action:
            raise WireFault("MissingAction", "The request must contain the parameter Action", 400)
        if not target.service:
            target.service = self._versions.get(fields.get("Version", ""), "")
        if not target.service:
            raise WireFault("InvalidAction", f"Cannot tell the service of {action}: sign the request or give its Version", 400)
        return action

    def service(self, name: str) -> Service | None:
        try:
            return self._models.service(name) if name else None
        except UnknownService:
            return None

    def _scope(self, request: Request) -> Scope | None:
        try:
            found = header_scope(request.headers.get("authorization", ""))
            if found is None and "X-Amz-Credential" in request.query:
                found = parse_scope(request.arg.get("X-Amz-Credential", ""))
            return found
        except WireFault as fault:
            raise RouteFault(self._guess(request), None, fault) from None

    def _guess(self, request: Request) -> Codec:
        """The protocol for a request whose signature says nothing."""
        if request.path == "/" and self._is_query(request):
            return self._codecs.query
        if any(pattern.fullmatch(request.path) for pattern, _ in _SAGEMAKER_PATHS):
            return self._codecs.rest_json
        return self._codecs.rest_xml

    def _cbor(self, found: re.Match[str] | None) -> Target:
        service = self._ids.get(found.group(1), "") if found is not None else ""
        if found is None or not service:
            name = found.group(1) if found is not None else "without a /service/.../operation/... path"
            raise RouteFault(self._codecs.cbor, None, WireFault(
                "UnknownOperationException", f"There is no service {name} here", 404))
        return self._checked(Target(service, self._codecs.cbor, found.group(2)))

    def _json(self, target: str, request: Request) -> Target:
        prefix, dot, name = target.rpartition(".")
        codec = self._codecs.json_10 if "json-1.0" in request.content_type else self._codecs.json_11
        service = self._targets.get(prefix)
        if service is None or not dot:
            raise RouteFault(codec, None, WireFault(
                "UnknownOperationException", f"There is no service with the target {target!r} here", 404))
        if request.method != "POST":
            raise RouteFault(codec, self.service(service), WireFault(
                "UnknownOperationException", f"{target} is called by POST, not {request.method}", 405))
        return self._checked(Target(service, codec, name))

    def _checked(self, target: Target) -> Target:
        service = self._models.service(target.service)
        try:
            service.operation(target.operation)
        except UnknownOperation:
            raise RouteFault(target.codec, service, unknown_operation(target.service, target.operation)) from None
        return target

    @staticmethod
    def _is_query(request: Request) -> bool:
        if request.method == "POST":
            return request.content_type.startswith("application/x-www-form-urlencoded") or "Action" in request.arg
        return "Action" in request.arg

    def _query(self, request: Request, scope: Scope | None) -> Target:
        service = self._signing.get(scope.service, "") if scope is not None else ""
        if not service:
            service = self._versions.get(request.arg.get("Version", ""), "")
        return Target(service, self._codecs.query)

    def _by_scope(self, service: str, request: Request) -> Target:
        if service == "sagemaker" and len(request.path) <= _LONGEST and (name := _sagemaker_path(request.path)):
            return self._rest(name, request)
        model = self.service(service)
        if model is not None and model.protocols[0].startswith("rest-"):
            return self._rest(service, request)
        if model is not None and model.protocols == ["query"]:
            raise RouteFault(self._codecs.query, model, WireFault("MissingAction", "The request must contain the parameter Action", 400))
        codec = self._codecs.json_11 if service != "sagemaker" or request.path == "/" else self._codecs.rest_json
        raise RouteFault(codec, model, WireFault(
            "UnknownOperationException", f"{request.method} {request.path} is no operation of {service}: the header X-Amz-Target is missing", 404))

    def _rest(self, service: str, request: Request) -> Target:
        model = self._models.service(service)
        codec = self._codecs.for_protocol(model.protocols[0])
        found = self._paths_of(service).match(request)
        if found is None:
            methods = self._paths_of(service).methods(request.path)
            raise RouteFault(codec, model, WireFault(
                "UnknownOperationException",
                f"{request.method} {request.path} is no operation of {service}"
                + (f"; that path takes {', '.join(methods)}" if methods else ""), 405 if methods else 404,
                xml="MethodNotAllowed"))
        return Target(service, codec, found[0], found[1])

    def _paths_of(self, service: str) -> Paths:
        found = self._paths.get(service)
        if found is None:
            found = self._paths[service] = Paths(self._models.service(service))
        return found

    @staticmethod
    def _is_old_s3(request: Request) -> bool:
        if request.headers.get("authorization", "").startswith("AWS "):
            return True
        arg = request.arg if request.query else {}
        if "AWSAccessKeyId" in arg and "Signature" in arg:
            return True
        return request.method == "POST" and request.content_type.startswith("multipart/form-data")

    def _by_host(self, request: Request) -> Target | None:
        host = request.headers.get("host", "").lower()
        if not host.partition(":")[0].endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return None
        for pattern, service in _HOSTS:
            if pattern.match(host):
                if service == "sagemaker-path":
                    return self._by_scope("sagemaker", request)
                model = self.service(service)
                if model is not None and model.protocols == ["query"]:
                    return Target(service, self._codecs.query)
                return self._by_scope(service, request)
        return None

    # S3

    def _s3(self, request: Request) -> Target:
        bucket = self.bucket_of_host(request.headers.get("host", ""))
        path = f"/{bucket}{request.path}" if bucket else request.path
        codec = self._codecs.rest_xml
        if request.method == "POST" and request.content_type.startswith("multipart/form-data"):
            name = path.strip("/")
            if name and "/" not in name:
                return Target("s3", codec, "PostObject", {"Bucket": name}, bucket)
        found = self._paths_of("s3").match(request, path)
        if found is None:
            raise RouteFault(codec, self.service("s3"), WireFault(
                "MethodNotAllowed", "The specified method is not allowed against this resource.", 405,
                Method=request.method))
        return Target("s3", codec, found[0], found[1], bucket)

    def bucket_of_host(self, host: str) -> str:
        """The bucket of a virtual-host address; empty for path style."""
        name = host.lower()
        if _LOCAL.fullmatch(name.partition(":")[0]) or name.startswith("["):
            return ""
        name = name.partition(":")[0]
        aws = _AWS_BUCKET.fullmatch(name)
        if aws is not None:
            return aws.group("bucket") or ""
        for domain in self._domains:
            if name.endswith("." + domain):
                return name[: -len(domain) - 1]
        return ""


class RouteFault(Exception):
    """A WireFault, with the protocol and service to answer in."""

    def __init__(self, codec: Codec, service: Service | None, fault: WireFault) -> None:
        super().__init__(fault.message)
        self.codec, self.service, self.fault = codec, service, fault


def unknown_operation(service: str, name: str) -> WireFault:
    return WireFault(
        "UnknownOperationException", f"{service} has no operation {name} in the installed service models", 404,
        query="InvalidAction",
    )

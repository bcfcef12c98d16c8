"""Automatic registration: a model version registered in MLflow becomes a version of a model package group.

MLflow and the registry are two stores, and a kill may come between them: so versions are compared, not passed on. Whenever a
version is made, and whenever a server comes up, what MLflow has and the registry lacks is registered, once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

from ...resources.arn import s3_location
from ...resources.platform import Platform
from ...runtime.lifecycle import Instruction
from ...runtime.reconciler import Job
from ...stores.logs import LogEvent
from ...stores.objects import NoSuchBucket, NoSuchKey
from ...stores.records import Put
from ...wire.errors import DomainError
from ...wire.http import Answer
from .forward import ask
from .lifecycle import REGISTER
from .resources import IMAGE, arn_of, registers
from .servers import Server, Servers

log = logging.getLogger(__name__)

KIND = "MlflowRegistration"
SPECIFICATION = "sagemaker_inference_specification.json"
"""What sagemaker_mlflow's log_inference_specification leaves beside a model."""
LARGEST = 2**20
TAG = "sagemaker.model_package_arn"
TYPES = ["application/json", "text/csv"]
_MADE = re.compile(r"/(?:ajax-)?api/\d\.\d/mlflow/model-versions/create")


class Registrar:
    """Registers the versions of every server of one platform that asks for it."""

    def __init__(self, platform: Platform, servers: Servers) -> None:
        self.platform, self.servers = platform, servers

    async def noticed(self, server: Server, method: str, path: str, answer: Answer) -> Answer:
        """The answer as it is; a version that it made is on its way to the registry before its maker hears of it."""
        if method == "POST" and answer.status == 200 and registers(server.doc) and _MADE.fullmatch(path):
            work = self.platform.reconciler.work(server.kind, server.scope, server.key, Instruction(REGISTER))
            await self.platform.records.commit(work)
            self.platform.reconciler.changed(server.kind, server.scope, server.key)
        return answer

    async def register(self, job: Job) -> None:
        """Register what is not registered yet. A version that cannot be is written about in the server's log, and tried again
        with the next one."""
        server = self.servers.by_id(job.doc["_id"])
        if server is None or server.worker is None or not registers(job.doc) or not self.platform.identity:
            return
        principal = await self.platform.identity.role_principal(job.doc["RoleArn"], "MlflowServer")
        async for version in self._versions(server):
            key = f"{server.id}/{version['name']}/{version['version']}"
            if await self.platform.records.get(KIND, server.scope, key):
                continue
            try:
                package = await self._package(server, version, principal)
            except DomainError as error:
                self._say(server, f"{version['name']} version {version['version']} was not registered: {error.message}")
                continue
            await self.platform.records.commit(Put(KIND, server.scope, key, {"ModelPackageArn": package}, parent=server.id))
            about = {"name": version["name"], "version": version["version"], "key": TAG, "value": package}
            await ask(server, "POST", "/api/2.0/mlflow/model-versions/set-tag", about)

    # -- parts

    async def _versions(self, server: Server) -> AsyncIterator[dict[str, Any]]:
        """Every model version that MLflow has, oldest first within a page."""
        token = ""
        while True:
            query = urlencode({"max_results": 200, "order_by": "version_number ASC", **({"page_token": token} if token else {})})
            found = await ask(server, "GET", f"/api/2.0/mlflow/model-versions/search?{query}")
            for version in found.get("model_versions", ()):
                yield version
            token = found.get("next_page_token", "")
            if not token:
                return

    async def _package(self, server: Server, version: dict[str, Any], principal: Any) -> str:
        """Create the group unless it exists, and the version; its ARN. The same version again is the same package."""
        region = server.scope.split("/", 1)[1]
        group, where = group_name(version["name"]), f"/api/2.0/mlflow/model-versions/get-download-uri?name={quote(version['name'])}"
        source: str = (await ask(server, "GET", f"{where}&version={version['version']}"))["artifact_uri"]
        about = f"MLflow registered model {version['name']}"
        try:
            await self.platform.api.call(
                "sagemaker", "DescribeModelPackageGroup", {"ModelPackageGroupName": group}, principal, region
            )
        except DomainError:
            await self.platform.api.call(
                "sagemaker", "CreateModelPackageGroup", {"ModelPackageGroupName": group, "ModelPackageGroupDescription": about},
                principal, region,
            )
        made = await self.platform.api.call("sagemaker", "CreateModelPackage", {
            "ModelPackageGroupName": group,
            "ModelPackageDescription": (version.get("description") or f"{about}, version {version['version']}")[:1024],
            "InferenceSpecification": await self._specification(server, source),
            "SourceUri": source,
            "MetadataProperties": {"GeneratedBy": arn_of(server.doc)},
            "CustomerMetadataProperties": {
                "mlflow.model_name": version["name"], "mlflow.model_version": str(version["version"]),
                **({"mlflow.run_id": version["run_id"]} if version.get("run_id") else {}),
            },
            "ModelPackageRegistrationType": "Registered",
            "ClientToken": hashlib.sha256(f"{server.id}/{version['name']}/{version['version']}".encode()).hexdigest()[:36],
        }, principal, region)
        package: str = made["ModelPackageArn"]
        return package

    async def _specification(self, server: Server, source: str) -> dict[str, Any]:
        """What was logged beside the model, or the image that serves models in the MLflow format."""
        bucket, prefix = s3_location(source)
        try:
            info, stream = self.platform.objects.open(bucket, f"{prefix.rstrip('/')}/{SPECIFICATION}")
            with stream:
                if info.size <= LARGEST:
                    given: dict[str, Any] = json.loads(stream.read())
                    return given
        except (NoSuchBucket, NoSuchKey):
            pass
        except ValueError as error:
            self._say(server, f"{source}/{SPECIFICATION} is not JSON ({error}); the default is used")
        account, region = server.scope.split("/", 1)
        image = f"{account}.dkr.ecr.{region}.amazonaws.com/{IMAGE}-pyfunc:{server.doc['MlflowVersion']}"
        data = {"S3Uri": source.rstrip("/") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        container = {"Image": image, "ModelDataSource": {"S3DataSource": data}, "Framework": "MLFLOW", "FrameworkVersion": server.doc["MlflowVersion"]}
        return {"Containers": [container], "SupportedContentTypes": TYPES, "SupportedResponseMIMETypes": TYPES}

    def _say(self, server: Server, text: str) -> None:
        log.warning("%s: %s", server.arn, text)
        group, stream = log_place(server.doc)
        self.platform.logs.append(group, stream, [LogEvent(int(self.platform.clock() * 1000), text)])


GROUP = "/aws/sagemaker/MlflowServers"


def log_place(doc: dict[str, Any]) -> tuple[str, str]:
    """Group and stream of a server's log."""
    return GROUP, f"{arn_of(doc).rsplit('/', 1)[-1]}/{doc['_id']}"


def group_name(model: str) -> str:
    """The group that a registered model's versions go to: its name, with what a group's name may not have as hyphens."""
    text = re.sub(r"[^A-Za-z0-9]+", "-", model).strip("-")[:63].rstrip("-")
    return text or "mlflow-" + hashlib.sha256(model.encode()).hexdigest()[:12]

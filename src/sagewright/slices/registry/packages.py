"""Model packages: create, change, list, describe. Versions are numbered within their group; no number comes twice."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ...resources import paging, tags
from ...resources.arn import name_in
from ...resources.desk import Desk
from ...stores.records import Change, Conflict, Delete, Put, Record
from ...wire.errors import DomainError, Invalid, NotImplementedHere
from ...wire.types import Call, Reply
from .groups import Groups
from .resources import by

KIND, TOKEN = "ModelPackage", "ModelPackageToken"
REPLACED = ("ModelApprovalStatus", "ApprovalDescription", "ModelPackageRegistrationType", "InferenceSpecification", "SourceUri",
            "ModelCard", "ModelLifeCycle")
"""Members that an update sets as they are."""
MOST_METADATA, MOST_SPECIFICATIONS = 50, 15


class Packages:
    """The verbs of packages on one platform."""

    def __init__(self, desk: Desk, groups: Groups) -> None:
        self.desk, self.platform, self.groups = desk, desk.platform, groups

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker", "CreateModelPackage", self.create, resources=self._created)
        bind("sagemaker", "DescribeModelPackage", self.describe, resources=self._named)
        bind("sagemaker", "DeleteModelPackage", self.delete, resources=self._named)
        bind("sagemaker", "UpdateModelPackage", self.update, resources=lambda call: [call.params["ModelPackageArn"]])
        bind("sagemaker", "BatchDescribeModelPackage", self.batch, resources=lambda call: call.params["ModelPackageArnList"])
        bind("sagemaker", "ListModelPackages", self.list)

    async def create(self, call: Call) -> Reply:
        """A package, complete at once. The same ClientToken and request again answer with the same package."""
        params = call.params
        _check(params)
        while True:
            known = await self._repeated(call)
            if known:
                return Reply({"ModelPackageArn": known})
            try:
                return await (self._version(call) if "ModelPackageGroupName" in params else self._single(call))
            except Conflict as conflict:
                if conflict.kind == KIND and "ModelPackageName" in params:
                    raise Invalid(f"ModelPackage already exists: {self.desk.arn(call, params['ModelPackageName'])}") from None

    async def describe(self, call: Call) -> dict[str, Any]:
        answer = self.desk.view(await self._find(call, call.params["ModelPackageName"]), self.desk.shapes.output("DescribeModelPackage"))
        if call.params.get("IncludedData") == "MetadataOnly":
            answer.pop("ModelCard", None)
        return answer

    async def delete(self, call: Call) -> None:
        record = await self._find(call, call.params["ModelPackageName"])
        await self.platform.reconciler.commit(Delete(KIND, record.scope, record.key))

    async def update(self, call: Call) -> dict[str, Any]:
        where = call.params["ModelPackageArn"]
        while True:
            record = await self._find(call, where)
            doc = _updated(record.doc, call.params) | {"LastModifiedTime": self.platform.clock(), "LastModifiedBy": by(call)}
            put = Put(KIND, record.scope, record.key, doc, record.version, name=record.name, parent=record.parent)
            try:
                await self.platform.reconciler.commit(put)
            except Conflict:
                continue
            return {"ModelPackageArn": record.doc["ModelPackageArn"]}

    async def batch(self, call: Call) -> dict[str, Any]:
        found, errors = {}, {}
        members = self.desk.shapes.list("ListModelPackages").item | {"InferenceSpecification"}
        for where in call.params["ModelPackageArnList"]:
            try:
                view = self.desk.view(await self._find(call, where), members)
            except DomainError as error:
                errors[where] = {"ErrorCode": "ValidationException", "ErrorResponse": error.message}
                continue
            view.setdefault("InferenceSpecification", {"Containers": []})  # a required member, also of a package without one
            view.pop("ModelLifeCycle", None)
            view.pop("ModelPackageName", None)
            found[where] = view
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}

    async def list(self, call: Call) -> dict[str, Any]:
        params = call.params
        shape = self.desk.shapes.list("ListModelPackages")
        asked = {k: v for k, v in params.items() if k not in ("ModelPackageGroupName", "ModelPackageType", "ModelApprovalStatus")}
        parent = None
        if "ModelPackageGroupName" in params:
            parent = (await self.groups.find(call)).key
        elif (wanted := params.get("ModelPackageType", "Unversioned")) != "Both":
            asked["_versionedEquals"] = wanted == "Versioned"
        if "ModelApprovalStatus" in params:
            asked["ModelApprovalStatusEquals"] = params["ModelApprovalStatus"]
        asked["Group"] = parent or ""
        query = paging.query(asked, name_member="ModelPackageName", order=shape.order, parent=parent)
        records = await self.platform.records.find(KIND, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self._summary(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(asked, records[-1], query.sort_by)
        return answer

    # -- creating

    async def _repeated(self, call: Call) -> str:
        """The package that this very request has made before; empty if none. Raises Invalid for another request's token."""
        token = call.params.get("ClientToken")
        known = await self.platform.records.get(TOKEN, call.scope, token) if token else None
        if known is None:
            return ""
        if known.doc["Digest"] != _digest(call):
            raise Invalid(f"ClientToken {token} was used with other parameters.")
        where: str = known.doc["ModelPackageArn"]
        return where

    async def _version(self, call: Call) -> Reply:
        """The next version of a group, counted in the same transaction. Raises Conflict when somebody else took the number."""
        group = await self.groups.find(call)
        number = group.doc["_last"] + 1
        name = group.doc["ModelPackageGroupName"]
        counted = Put(group.kind, group.scope, group.key, {**group.doc, "_last": number}, group.version, name=group.name)
        more = {"ModelPackageGroupName": name, "ModelPackageVersion": number, "_versioned": True}
        more["ModelApprovalStatus"] = call.params.get("ModelApprovalStatus", "PendingManualApproval")
        return await self._write(call, f"{group.key}/{number}", name, more, counted, parent=group.key)

    async def _single(self, call: Call) -> Reply:
        name = call.params["ModelPackageName"]
        return await self._write(call, name.lower(), name, {"_versioned": False})

    async def _write(self, call: Call, key: str, name: str, more: dict[str, Any], *also: Change, parent: str = "") -> Reply:
        tags.check(call.params.get("Tags", ()))
        where, now = self.desk.arn(call, key), self.platform.clock()
        doc = {k: v for k, v in call.params.items() if k not in ("ClientToken", "ModelPackageGroupName")}
        doc |= {
            "ModelPackageArn": where, "ModelPackageStatus": "Completed", "CreationTime": now, "CreatedBy": by(call),
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []}, "_principal": call.principal.arn, **more,
        }
        changes: list[Change] = [Put(KIND, call.scope, key, doc, 0, name=name, parent=parent, created=now), *also]
        if token := call.params.get("ClientToken"):
            changes.append(Put(TOKEN, call.scope, token, {"ModelPackageArn": where, "Digest": _digest(call)}, 0))
        audit = self.platform.audit(call, {"ModelPackageArn": where})
        await self.platform.reconciler.commit(*changes, *([audit] if audit else ()))
        return Reply({"ModelPackageArn": where}, audited=audit is not None)

    # -- parts

    async def _find(self, call: Call, name: str) -> Record:
        """A package by name, by ``group/version`` or by ARN. Raises Invalid."""
        record = await self.platform.records.get(KIND, call.scope, name_in(name).lower())
        if record is None:
            raise Invalid(f"ModelPackage {name if name.startswith('arn:') else self.desk.arn(call, name)} does not exist.")
        return record

    def _summary(self, record: Record, members: frozenset[str]) -> dict[str, Any]:
        view = self.desk.view(record, members)
        if record.doc["_versioned"]:
            view.pop("ModelPackageName", None)
        return view

    def _named(self, call: Call) -> tuple[str, ...]:
        return (self.desk.arn(call, name_in(call.params["ModelPackageName"])),)

    def _created(self, call: Call) -> tuple[str, ...]:
        name = call.params.get("ModelPackageName") or f"{name_in(call.params.get('ModelPackageGroupName', '*'))}/*"
        return (self.desk.arn(call, name),)


def _check(params: dict[str, Any]) -> None:
    """Raises Invalid or NotImplementedHere for a package that cannot be kept."""
    if ("ModelPackageName" in params) == ("ModelPackageGroupName" in params):
        raise Invalid("Specify exactly one of ModelPackageName and ModelPackageGroupName.")
    if "ModelPackageName" in params and not any(m in params for m in ("InferenceSpecification", "SourceAlgorithmSpecification")):
        raise Invalid("An unversioned model package needs InferenceSpecification or SourceAlgorithmSpecification.")
    if params.get("CertifyForMarketplace"):
        raise NotImplementedHere("CreateModelPackage with CertifyForMarketplace is not implemented: there is no marketplace here.")
    if "ValidationSpecification" in params:
        raise NotImplementedHere("CreateModelPackage with ValidationSpecification is not implemented; nothing was validated or kept.")
    names = [one["Name"] for one in params.get("AdditionalInferenceSpecifications", ())]
    if len(set(names)) < len(names):
        raise Invalid("Every Name of AdditionalInferenceSpecifications must be unique.")


def _updated(doc: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The document after an update. Raises Invalid."""
    after = {**doc, **{m: params[m] for m in REPLACED if m in params}}
    metadata = {**doc.get("CustomerMetadataProperties", {}), **params.get("CustomerMetadataProperties", {})}
    for key in params.get("CustomerMetadataPropertiesToRemove", ()):
        metadata.pop(key, None)
    if len(metadata) > MOST_METADATA:
        raise Invalid(f"A model package can have at most {MOST_METADATA} CustomerMetadataProperties.")
    after.pop("CustomerMetadataProperties", None)
    if metadata:
        after["CustomerMetadataProperties"] = metadata
    if more := params.get("AdditionalInferenceSpecificationsToAdd"):
        specifications = [*doc.get("AdditionalInferenceSpecifications", ()), *more]
        names = [one["Name"] for one in specifications]
        if len(set(names)) < len(names) or len(names) > MOST_SPECIFICATIONS:
            raise Invalid(f"AdditionalInferenceSpecifications must have unique names and be at most {MOST_SPECIFICATIONS}.")
        after["AdditionalInferenceSpecifications"] = specifications
    return after


def _digest(call: Call) -> str:
    return hashlib.sha256(json.dumps(call.params, sort_keys=True, default=str).encode()).hexdigest()

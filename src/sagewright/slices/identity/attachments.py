"""Policies: managed ones with their versions, attached ones, and inline ones of users, groups and roles."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.records import Conflict, Record
from ...wire.errors import AccessDenied, ServiceError
from ...wire.types import Call
from .common import NOUN, Base, delete_conflict, encoded, exists, invalid, merge_tags, no_such, page
from .directory import GROUP, POLICY, ROLE, USER
from .managed import MANAGED, PREFIX
from .policy import malformed, parse
from .vault import new_id

KINDS = {USER: "User", GROUP: "Group", ROLE: "Role"}
MAX_VERSIONS = 5
MAX_ATTACHED = 10
# Characters without white space, over all inline policies of one entity; and of one managed policy.
MAX_INLINE = {USER: 2048, GROUP: 5120, ROLE: 10240}
MAX_MANAGED = 6144


def _size(text: str) -> int:
    return len("".join(text.split()))


class Attachments(Base):
    def install(self, platform: Platform) -> None:
        bind = platform.operations.bind
        for kind, noun in KINDS.items():
            about = self.about(kind, f"{noun}Name")
            bind("iam", f"Put{noun}Policy", self._for(kind, self._put), resources=about)
            bind("iam", f"Get{noun}Policy", self._for(kind, self._get), resources=about)
            bind("iam", f"List{noun}Policies", self._for(kind, self._list), resources=about)
            bind("iam", f"Delete{noun}Policy", self._for(kind, self._delete), resources=about)
            bind("iam", f"Attach{noun}Policy", self._for(kind, self._attach), resources=about)
            bind("iam", f"Detach{noun}Policy", self._for(kind, self._detach), resources=about)
            bind("iam", f"ListAttached{noun}Policies", self._for(kind, self._attached), resources=about)
        for name, handler in {
            "GetPolicy": self.get_policy,
            "DeletePolicy": self.delete_policy,
            "CreatePolicyVersion": self.create_version,
            "GetPolicyVersion": self.get_version,
            "ListPolicyVersions": self.list_versions,
            "DeletePolicyVersion": self.delete_version,
            "SetDefaultPolicyVersion": self.set_default,
            "ListEntitiesForPolicy": self.entities_for,
            "TagPolicy": self.tag,
            "UntagPolicy": self.untag,
            "ListPolicyTags": self.tags,
        }.items():
            bind("iam", name, handler, resources=lambda call: [call.params["PolicyArn"]])
        bind("iam", "CreatePolicy", self.create_policy, resources=self._new_arn)
        bind("iam", "ListPolicies", self.list_policies)

    @staticmethod
    def _for(kind: str, method: Any) -> Any:
        async def handler(call: Call) -> dict[str, Any]:
            answer: dict[str, Any] | None = await method(kind, call)
            return answer or {}

        return handler

    async def _of(self, kind: str, call: Call) -> Record:
        return await self.entity(kind, call.params[f"{KINDS[kind]}Name"])

    # -- inline

    async def _put(self, kind: str, call: Call) -> None:
        record = await self._of(kind, call)
        name, text = call.params["PolicyName"], call.params["PolicyDocument"]
        parse(text)

        def change(doc: dict[str, Any]) -> None:
            doc["Policies"][name] = text
            if sum(map(_size, doc["Policies"].values())) > MAX_INLINE[kind]:
                raise ServiceError(
                    "LimitExceeded",
                    f"Maximum policy size of {MAX_INLINE[kind]} bytes exceeded for {NOUN[kind]} {record.name}",
                    409,
                )

        await self.directory.update(kind, record.key, change)

    def _inline(self, kind: str, record: Record, name: str) -> str:
        text: str | None = record.doc["Policies"].get(name)
        if text is None:
            raise no_such(f"The {NOUN[kind]} policy with name {name} cannot be found.")
        return text

    async def _get(self, kind: str, call: Call) -> dict[str, Any]:
        record, name = await self._of(kind, call), call.params["PolicyName"]
        text = encoded(self._inline(kind, record, name))
        return {f"{KINDS[kind]}Name": record.name, "PolicyName": name, "PolicyDocument": text}

    async def _list(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self._of(kind, call)
        return page(call, "PolicyNames", [(n, n) for n in record.doc["Policies"]])

    async def _delete(self, kind: str, call: Call) -> None:
        record, name = await self._of(kind, call), call.params["PolicyName"]
        self._inline(kind, record, name)
        await self.directory.update(kind, record.key, lambda doc: doc["Policies"].pop(name, None) and None)

    # -- attached

    async def _attach(self, kind: str, call: Call) -> None:
        record, arn = await self._of(kind, call), call.params["PolicyArn"]
        if self.directory.policy_text(arn) is None:
            raise no_such(f"Policy {arn} does not exist or is not attachable.")

        def change(doc: dict[str, Any]) -> None:
            if arn not in doc["Attached"]:
                if len(doc["Attached"]) >= MAX_ATTACHED:
                    raise ServiceError(
                        "LimitExceeded", f"Cannot exceed quota for PoliciesPer{KINDS[kind]}: {MAX_ATTACHED}", 409
                    )
                doc["Attached"].append(arn)

        await self.directory.update(kind, record.key, change)

    async def _detach(self, kind: str, call: Call) -> None:
        record, arn = await self._of(kind, call), call.params["PolicyArn"]

        def change(doc: dict[str, Any]) -> None:
            if arn not in doc["Attached"]:
                raise no_such(f"Policy {arn} was not found.")
            doc["Attached"].remove(arn)

        await self.directory.update(kind, record.key, change)

    async def _attached(self, kind: str, call: Call) -> dict[str, Any]:
        record, prefix = await self._of(kind, call), call.params.get("PathPrefix", "/")
        arns = [a for a in record.doc["Attached"] if _path(a).startswith(prefix)]
        shown = [(a, {"PolicyName": a.rsplit("/", 1)[-1], "PolicyArn": a}) for a in arns]
        return page(call, "AttachedPolicies", shown)

    # -- managed

    def _new_arn(self, call: Call) -> list[str]:
        return [self.arn(POLICY, call.params.get("Path", "/"), call.params["PolicyName"])]

    def _users_of(self, arn: str) -> list[Record]:
        return [r for kind in KINDS for r in self.directory.all(kind) if arn in r.doc["Attached"]]

    def _bounded_by(self, arn: str) -> list[Record]:
        return [r for kind in (USER, ROLE) for r in self.directory.all(kind) if r.doc.get("PermissionsBoundary") == arn]

    def _show(self, arn: str, full: bool = True) -> dict[str, Any]:
        counts = {
            "AttachmentCount": len(self._users_of(arn)),
            "PermissionsBoundaryUsageCount": len(self._bounded_by(arn)),
            "IsAttachable": True,
        }
        if arn.startswith(PREFIX) and arn.removeprefix(PREFIX) in MANAGED:
            name = arn.removeprefix(PREFIX)
            more = {"Description": MANAGED[name][0], "Tags": []} if full else {}
            ours = {"PolicyName": name, "PolicyId": f"ANPA{name.upper()[:16]:A<17}", "Arn": arn, "Path": "/"}
            return {**ours, "DefaultVersionId": "v1", "CreateDate": 0.0, "UpdateDate": 0.0, **counts, **more}
        doc = self._policy(arn).doc
        members = ["PolicyName", "PolicyId", "Arn", "Path", "DefaultVersionId", "CreateDate", "UpdateDate"]
        members += ["Description", "Tags"] if full else []
        return {**{m: doc[m] for m in members if doc.get(m) is not None}, **counts}

    def _policy(self, arn: str) -> Record:
        record = self.directory.get(POLICY, arn)
        if record is None:
            raise no_such(f"Policy {arn} was not found.")
        return record

    def _own(self, arn: str) -> Record:
        """A policy that may be changed."""
        if arn.startswith(PREFIX):
            raise AccessDenied(
                f"Policy is outside your own account: {arn} comes with the server and cannot be changed."
            )
        return self._policy(arn)

    async def create_policy(self, call: Call) -> dict[str, Any]:
        params, now = call.params, self.directory.clock()
        self._check(params["PolicyDocument"])
        arn = self._new_arn(call)[0]
        doc = {
            "PolicyName": params["PolicyName"],
            "PolicyId": new_id("ANPA", 21),
            "Arn": arn,
            "Path": params.get("Path", "/"),
            "DefaultVersionId": "v1",
            "Latest": 1,
            "CreateDate": now,
            "UpdateDate": now,
            "Description": params.get("Description", ""),
            "Tags": merge_tags([], params.get("Tags", [])),
            "Versions": {"v1": {"Document": params["PolicyDocument"], "CreateDate": now}},
        }
        try:
            await self.directory.create(POLICY, arn, doc, params["PolicyName"])
        except Conflict:
            raise exists(
                f"A policy called {params['PolicyName']} already exists. Duplicate names are not allowed."
            ) from None
        return {"Policy": self._show(arn)}

    @staticmethod
    def _check(text: str) -> None:
        parse(text)
        if _size(text) > MAX_MANAGED:
            raise ServiceError("LimitExceeded", f"Cannot exceed quota for PolicySize: {MAX_MANAGED}", 409)

    async def get_policy(self, call: Call) -> dict[str, Any]:
        return {"Policy": self._show(call.params["PolicyArn"])}

    async def list_policies(self, call: Call) -> dict[str, Any]:
        scope, prefix = call.params.get("Scope", "All"), call.params.get("PathPrefix", "/")
        arns = [PREFIX + name for name in MANAGED] if scope in {"All", "AWS"} else []
        arns += [r.key for r in self.directory.all(POLICY)] if scope in {"All", "Local"} else []
        usage = call.params.get("PolicyUsageFilter")
        shown = [(a, self._show(a, full=False)) for a in arns if _path(a).startswith(prefix)]
        if call.params.get("OnlyAttached") or usage == "PermissionsPolicy":
            shown = [s for s in shown if s[1]["AttachmentCount"]]
        if usage == "PermissionsBoundary":
            shown = [s for s in shown if s[1]["PermissionsBoundaryUsageCount"]]
        return page(call, "Policies", shown)

    async def delete_policy(self, call: Call) -> dict[str, Any]:
        record = self._own(call.params["PolicyArn"])
        if self._users_of(record.key) or self._bounded_by(record.key):
            raise delete_conflict("Cannot delete a policy attached to entities.")
        if len(record.doc["Versions"]) > 1:
            raise delete_conflict("This policy has more than one version. Before you delete a policy, you must delete "
                                  "the policy's versions. The default version is deleted with the policy.")  # fmt: skip
        await self.directory.delete(record)
        return {}

    # -- versions

    @staticmethod
    def _version(doc: dict[str, Any], version: str, document: bool = True) -> dict[str, Any]:
        if version not in doc["Versions"]:
            raise no_such(f"Policy {doc['Arn']} version {version} does not exist or is not attachable.")
        found = doc["Versions"][version]
        answer = {"VersionId": version, "IsDefaultVersion": version == doc["DefaultVersionId"]}
        more = {"Document": encoded(found["Document"])} if document else {}
        return {**more, **answer, "CreateDate": found["CreateDate"]}

    def _versions(self, arn: str) -> dict[str, Any]:
        if arn.startswith(PREFIX) and (text := self.directory.policy_text(arn)):
            return {"Arn": arn, "DefaultVersionId": "v1", "Versions": {"v1": {"Document": text, "CreateDate": 0.0}}}
        return self._policy(arn).doc

    async def create_version(self, call: Call) -> dict[str, Any]:
        record, text = self._own(call.params["PolicyArn"]), call.params["PolicyDocument"]
        self._check(text)

        def change(doc: dict[str, Any]) -> None:
            if len(doc["Versions"]) >= MAX_VERSIONS:
                raise ServiceError(
                    "LimitExceeded",
                    f"A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new version, you must "
                    "delete an existing version.",
                    409,
                )
            doc["Latest"] += 1
            doc["UpdateDate"] = self.directory.clock()
            doc["Versions"][f"v{doc['Latest']}"] = {"Document": text, "CreateDate": doc["UpdateDate"]}
            if call.params.get("SetAsDefault"):
                doc["DefaultVersionId"] = f"v{doc['Latest']}"

        doc = (await self.directory.update(POLICY, record.key, change)).doc
        return {"PolicyVersion": self._version(doc, f"v{doc['Latest']}", document=False)}

    async def get_version(self, call: Call) -> dict[str, Any]:
        return {"PolicyVersion": self._version(self._versions(call.params["PolicyArn"]), call.params["VersionId"])}

    async def list_versions(self, call: Call) -> dict[str, Any]:
        doc = self._versions(call.params["PolicyArn"])
        # Newest first, as the console shows them; the sort key counts down.
        shown = [(f"{10**6 - int(v[1:]):07}", self._version(doc, v, document=False)) for v in doc["Versions"]]
        return page(call, "Versions", shown)

    async def delete_version(self, call: Call) -> dict[str, Any]:
        record, version = self._own(call.params["PolicyArn"]), call.params["VersionId"]

        def change(doc: dict[str, Any]) -> None:
            self._version(doc, version)
            if version == doc["DefaultVersionId"]:
                raise delete_conflict("Cannot delete the default version of a policy.")
            del doc["Versions"][version]

        await self.directory.update(POLICY, record.key, change)
        return {}

    async def set_default(self, call: Call) -> dict[str, Any]:
        record, version = self._own(call.params["PolicyArn"]), call.params["VersionId"]

        def change(doc: dict[str, Any]) -> None:
            self._version(doc, version)
            doc["DefaultVersionId"] = version

        await self.directory.update(POLICY, record.key, change)
        return {}

    # -- the rest

    async def entities_for(self, call: Call) -> dict[str, Any]:
        arn = call.params["PolicyArn"]
        self._versions(arn)
        wanted = call.params.get("EntityFilter")
        if wanted in {"LocalManagedPolicy", "AWSManagedPolicy"}:
            raise invalid(f"A policy is not attached to a {wanted}.")
        usage = call.params.get("PolicyUsageFilter", "PermissionsPolicy")
        found = self._bounded_by(arn) if usage == "PermissionsBoundary" else self._users_of(arn)
        prefix = call.params.get("PathPrefix", "/")
        kept = [r for r in found if wanted in (None, KINDS[r.kind]) and r.doc["Path"].startswith(prefix)]
        paged = page(call, "All", [(f"{r.kind} {r.key}", r) for r in kept])
        records: list[Record] = paged.pop("All")
        for kind, noun in KINDS.items():
            paged[f"Policy{noun}s"] = [
                {f"{noun}Name": r.name, f"{noun}Id": r.doc[f"{noun}Id"]} for r in records if r.kind == kind
            ]
        return paged

    async def tag(self, call: Call) -> dict[str, Any]:
        def change(doc: dict[str, Any]) -> None:
            doc["Tags"] = merge_tags(doc["Tags"], call.params["Tags"])

        await self.directory.update(POLICY, self._own(call.params["PolicyArn"]).key, change)
        return {}

    async def untag(self, call: Call) -> dict[str, Any]:
        gone = {k.lower() for k in call.params["TagKeys"]}

        def change(doc: dict[str, Any]) -> None:
            doc["Tags"] = [t for t in doc["Tags"] if t["Key"].lower() not in gone]

        await self.directory.update(POLICY, self._own(call.params["PolicyArn"]).key, change)
        return {}

    async def tags(self, call: Call) -> dict[str, Any]:
        tags = self._show(call.params["PolicyArn"]).get("Tags", [])
        return page(call, "Tags", [(t["Key"], t) for t in tags])


def _path(arn: str) -> str:
    """``/team/`` of ``arn:aws:iam::1:policy/team/name``."""
    return "/" + arn.split(":", 5)[5].split("/", 1)[1].rpartition("/")[0] + "/" if arn.count("/") > 1 else "/"


__all__ = ["Attachments", "malformed"]

"""Users, groups and roles: create, get, list, update, delete, tags, permissions boundaries; access keys."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.records import Conflict, Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .authority import LocalAuthority
from .common import Base, delete_conflict, encoded, exists, limit_exceeded, merge_tags, no_such, page, view
from .directory import GROUP, KEY, ROLE, USER
from .managed import DEFAULT_ROLE
from .policy import parse
from .vault import new_id

_SHOWN = ("Path", "Arn", "CreateDate", "Tags")
_SINGLE = {USER: "User", GROUP: "Group", ROLE: "Role"}
_PREFIX = {USER: "AIDA", GROUP: "AGPA", ROLE: "AROA"}
MAX_KEYS = 2
MAX_GROUPS = 10


class Entities(Base):
    """One implementation for the three kinds; what differs between them stands in the small methods below it."""

    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(authority)

    def install(self, platform: Platform) -> None:
        bind = platform.operations.bind
        for kind, noun in _SINGLE.items():
            about = self.about(kind, f"{noun}Name")
            bind("iam", f"Create{noun}", self._for(kind, self._create), resources=about)
            bind("iam", f"Get{noun}", self.get_group if kind == GROUP else self._for(kind, self._get), resources=about)
            bind("iam", f"List{noun}s", self._for(kind, self._list))
            bind("iam", f"Delete{noun}", self._for(kind, self._delete), resources=about)
            if kind != GROUP:
                bind("iam", f"Tag{noun}", self._for(kind, self._tag), resources=about)
                bind("iam", f"Untag{noun}", self._for(kind, self._untag), resources=about)
                bind("iam", f"List{noun}Tags", self._for(kind, self._tags), resources=about)
                bind("iam", f"Put{noun}PermissionsBoundary", self._for(kind, self._put_boundary), resources=about)
                bind("iam", f"Delete{noun}PermissionsBoundary", self._for(kind, self._delete_boundary), resources=about)
        role, user, group = self.about(ROLE, "RoleName"), self.about(USER, "UserName"), self.about(GROUP, "GroupName")
        bind("iam", "UpdateRole", self.update_role, resources=role)
        bind("iam", "UpdateRoleDescription", self.update_role, resources=role)
        bind("iam", "UpdateAssumeRolePolicy", self.update_trust, resources=role)
        bind("iam", "AddUserToGroup", self.add_user, resources=group)
        bind("iam", "RemoveUserFromGroup", self.remove_user, resources=group)
        bind("iam", "ListGroupsForUser", self.groups_of, resources=user)
        bind("iam", "CreateAccessKey", self.create_key, resources=user)
        bind("iam", "ListAccessKeys", self.list_keys, resources=user)
        bind("iam", "UpdateAccessKey", self.update_key, resources=user)
        bind("iam", "DeleteAccessKey", self.delete_key, resources=user)

    @staticmethod
    def _for(kind: str, method: Any) -> Any:
        async def handler(call: Call) -> dict[str, Any]:
            answer: dict[str, Any] = await method(kind, call)
            return answer

        return handler

    def show(self, record: Record, full: bool = True) -> dict[str, Any]:
        """An entity as Get (``full``) or List answers it."""
        noun = _SINGLE[record.kind]
        members = [*_SHOWN, f"{noun}Name", f"{noun}Id", "Description", "MaxSessionDuration"]
        answer = view(record, *(m for m in members if full or m != "Tags"))
        if record.kind == ROLE:
            answer["AssumeRolePolicyDocument"] = encoded(record.doc["AssumeRolePolicyDocument"])
            if full:
                answer["RoleLastUsed"] = {}
        if full and (boundary := record.doc.get("PermissionsBoundary")):
            answer["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": boundary,
            }
        return answer

    # -- verbs of all three

    async def _create(self, kind: str, call: Call) -> dict[str, Any]:
        noun, params = _SINGLE[kind], call.params
        name, path = params[f"{noun}Name"], params.get("Path", "/")
        doc: dict[str, Any] = {
            "Path": path,
            f"{noun}Name": name,
            f"{noun}Id": new_id(_PREFIX[kind], 21),
            "Arn": self.arn(kind, path, name),
            "CreateDate": self.directory.clock(),
            "Policies": {},
            "Attached": [],
        }
        if kind != GROUP:
            doc["Tags"] = merge_tags([], params.get("Tags", []))
            if boundary := params.get("PermissionsBoundary"):
                doc["PermissionsBoundary"] = self._boundary(boundary)
        if kind == USER:
            doc["Groups"] = []
        if kind == ROLE:
            parse(params["AssumeRolePolicyDocument"], "trust")
            doc["AssumeRolePolicyDocument"] = params["AssumeRolePolicyDocument"]
            doc["Description"] = params.get("Description", "")
            doc["MaxSessionDuration"] = params.get("MaxSessionDuration", 3600)
        try:
            record = await self.directory.create(kind, name, doc, name)
        except Conflict:
            raise exists(f"{noun} with name {name} already exists.") from None
        return {noun: self.show(record)}

    async def _get(self, kind: str, call: Call) -> dict[str, Any]:
        noun = _SINGLE[kind]
        if kind == USER and not call.params.get("UserName") and call.principal.kind == "root":
            arn = f"arn:aws:iam::{self.account}:root"
            return {"User": {"UserId": self.account, "Arn": arn, "CreateDate": 0.0, "Path": "/", "UserName": "root"}}
        name = self.own_user(call) if kind == USER else call.params[f"{noun}Name"]
        return {noun: self.show(await self.entity(kind, name))}

    async def _list(self, kind: str, call: Call) -> dict[str, Any]:
        prefix = call.params.get("PathPrefix", "/")
        found = [r for r in self.directory.all(kind) if r.doc["Path"].startswith(prefix)]
        return page(call, f"{_SINGLE[kind]}s", [(r.key, self.show(r, full=False)) for r in found])

    async def _delete(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])
        if kind == ROLE and record.name == DEFAULT_ROLE:
            raise ServiceError(
                "UnmodifiableEntity",
                f"Cannot perform the operation on the protected role '{DEFAULT_ROLE}': the operator's keys act as it.",
                400,
            )
        if any(self.directory.all(KEY)) and kind == USER and self._keys(record):
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        if record.doc["Attached"]:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if record.doc["Policies"]:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        if record.doc.get("Groups"):
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if kind == GROUP and any(record.name in u.doc["Groups"] for u in self.directory.all(USER)):
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        await self.directory.delete(record)
        return {}

    async def _tag(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])

        def change(doc: dict[str, Any]) -> None:
            doc["Tags"] = merge_tags(doc["Tags"], call.params["Tags"])

        await self.directory.update(kind, record.key, change)
        return {}

    async def _untag(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])
        gone = {k.lower() for k in call.params["TagKeys"]}

        def change(doc: dict[str, Any]) -> None:
            doc["Tags"] = [t for t in doc["Tags"] if t["Key"].lower() not in gone]

        await self.directory.update(kind, record.key, change)
        return {}

    async def _tags(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])
        return page(call, "Tags", [(t["Key"], t) for t in record.doc["Tags"]])

    def _boundary(self, arn: str) -> str:
        if self.directory.policy_text(arn) is None:
            raise no_such(f"Scope ARN: {arn} does not exist or is not attachable.")
        return arn

    async def _put_boundary(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])
        arn = self._boundary(call.params["PermissionsBoundary"])
        await self.directory.update(kind, record.key, lambda doc: doc.update(PermissionsBoundary=arn))
        return {}

    async def _delete_boundary(self, kind: str, call: Call) -> dict[str, Any]:
        record = await self.entity(kind, call.params[f"{_SINGLE[kind]}Name"])
        await self.directory.update(kind, record.key, lambda doc: doc.update(PermissionsBoundary=None))
        return {}

    # -- roles

    async def update_role(self, call: Call) -> dict[str, Any]:
        record = await self.entity(ROLE, call.params["RoleName"])
        new = {k: v for k, v in call.params.items() if k in {"Description", "MaxSessionDuration"}}
        record = await self.directory.update(ROLE, record.key, lambda doc: doc.update(new))
        return {"Role": self.show(record)} if call.operation == "UpdateRoleDescription" else {}

    async def update_trust(self, call: Call) -> dict[str, Any]:
        record = await self.entity(ROLE, call.params["RoleName"])
        text = call.params["PolicyDocument"]
        parse(text, "trust")
        await self.directory.update(ROLE, record.key, lambda doc: doc.update(AssumeRolePolicyDocument=text))
        return {}

    # -- groups

    async def get_group(self, call: Call) -> dict[str, Any]:
        group = await self.entity(GROUP, call.params["GroupName"])
        users = [(u.key, self.show(u, full=False)) for u in self.directory.all(USER) if group.name in u.doc["Groups"]]
        return {"Group": self.show(group), **page(call, "Users", users)}

    async def add_user(self, call: Call) -> dict[str, Any]:
        group = await self.entity(GROUP, call.params["GroupName"])
        user = await self.entity(USER, call.params["UserName"])

        def change(doc: dict[str, Any]) -> None:
            if group.name not in doc["Groups"]:
                if len(doc["Groups"]) >= MAX_GROUPS:
                    raise limit_exceeded("GroupsPerUser", MAX_GROUPS)
                doc["Groups"].append(group.name)

        await self.directory.update(USER, user.key, change)
        return {}

    async def remove_user(self, call: Call) -> dict[str, Any]:
        group = await self.entity(GROUP, call.params["GroupName"])
        user = await self.entity(USER, call.params["UserName"])

        def change(doc: dict[str, Any]) -> None:
            doc["Groups"] = [g for g in doc["Groups"] if g != group.name]

        await self.directory.update(USER, user.key, change)
        return {}

    async def groups_of(self, call: Call) -> dict[str, Any]:
        user = await self.entity(USER, call.params["UserName"])
        groups = [g for g in (self.directory.get(GROUP, n) for n in user.doc["Groups"]) if g]
        return page(call, "Groups", [(g.key, self.show(g)) for g in groups])

    # -- access keys

    def _keys(self, user: Record) -> list[Record]:
        return [k for k in self.directory.all(KEY) if k.doc["UserName"].lower() == user.key]

    async def create_key(self, call: Call) -> dict[str, Any]:
        user = await self.entity(USER, self.own_user(call))
        if len(self._keys(user)) >= MAX_KEYS:
            raise limit_exceeded("AccessKeysPerUser", MAX_KEYS)
        record, secret = await self.directory.new_access_key(user)
        shown = view(record, "UserName", "AccessKeyId", "Status", "CreateDate")
        return {"AccessKey": {**shown, "SecretAccessKey": secret}}

    async def list_keys(self, call: Call) -> dict[str, Any]:
        user = await self.entity(USER, self.own_user(call))
        keys = [(k.key, view(k, "UserName", "AccessKeyId", "Status", "CreateDate")) for k in self._keys(user)]
        return page(call, "AccessKeyMetadata", keys)

    async def _key(self, call: Call) -> Record:
        user = await self.entity(USER, self.own_user(call))
        access_key = call.params["AccessKeyId"]
        for record in self._keys(user):
            if record.key == access_key:
                return record
        raise no_such(f"The Access Key with id {access_key} cannot be found.")

    async def update_key(self, call: Call) -> dict[str, Any]:
        record = await self._key(call)
        await self.directory.update(KEY, record.key, lambda doc: doc.update(Status=call.params["Status"]))
        return {}

    async def delete_key(self, call: Call) -> dict[str, Any]:
        await self.directory.delete(await self._key(call))
        return {}

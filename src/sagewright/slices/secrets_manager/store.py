"""Where secrets are kept: found by name or ARN, their versions sealed. What is sealed for one version opens for no other."""

from __future__ import annotations

import base64
import hashlib
import string
from collections.abc import Callable
from typing import Any

from ...resources.arn import arn, parse
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.records import Conflict, Put, Record
from ...wire.errors import DomainError, Invalid, LimitExceeded, NotFound, ServiceError
from ...wire.types import Call
from .lifecycle import NOUN, PURGE, SCHEDULED, SECRETS

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
LARGEST = 65_536
"""Bytes of a value."""
VERSIONS = 100
"""Versions of a secret, at most; the oldest ones without a stage go first."""
_LETTERS = string.ascii_letters + string.digits


class Store:
    """The secrets of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records

    def install(self) -> None:
        self.platform.reconciler.lifecycle(NOUN, SECRETS)
        self.platform.reconciler.executor(NOUN, PURGE, self._purge)

    async def find(self, call: Call, ended: bool = False) -> Record:
        """The secret that the call names. Raises NotFound, and ServiceError for one that waits for its end unless ``ended``."""
        record = await self.records.get(NOUN, call.scope, name_of(call, call.params["SecretId"]))
        if record is None:
            raise NotFound("Secrets Manager can't find the specified secret.")
        if record.status == SCHEDULED and not ended:
            raise refused("You can't perform this operation on the secret because it was marked for deletion.")
        return record

    async def change(self, call: Call, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Record:
        """Replace the document of the secret that the call names by what ``change`` makes of it, and tell the new one."""
        while True:
            record = await self.find(call)
            doc = change(record.doc)
            if doc is record.doc:
                return record
            try:
                await self.records.commit(Put(NOUN, record.scope, record.key, doc, record.version, record.status, record.name))
            except Conflict:
                continue
            return await self.find(call)

    # -- values

    def sealed(self, scope: str, name: str, version: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The value that a request gives, as it is kept; None if it gives none. Raises Invalid."""
        text, data = params.get("SecretString"), params.get("SecretBinary")
        if text is not None and data is not None:
            raise ServiceError("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
        if text is None and data is None:
            return None
        if len(data if data is not None else str(text).encode()) > LARGEST:
            raise Invalid(f"A secret's value has at most {LARGEST} bytes.")
        plain = str(text) if data is None else base64.b64encode(data).decode()
        assert self.platform.vault is not None
        return {"Sealed": self.platform.vault.seal(plain, _owner(scope, name, version)), "Binary": data is not None, "At": self.platform.clock()}

    def opened(self, record: Record, version: str) -> dict[str, Any]:
        """SecretString or SecretBinary. Raises ServiceError where the key is another one."""
        kept = record.doc["_versions"][version]
        assert self.platform.vault is not None
        plain = self.platform.vault.open(kept["Sealed"], _owner(record.scope, record.key, version))
        if plain is None:
            raise ServiceError("DecryptionFailure", "The secret was encrypted with another key: restore secrets.key from a backup.", 400)
        return {"SecretBinary": base64.b64decode(plain)} if kept["Binary"] else {"SecretString": plain}

    def with_version(self, record_doc: dict[str, Any], version: str, kept: dict[str, Any], stages: list[str]) -> dict[str, Any]:
        """The document with one version more, which takes the stages from those that had them."""
        versions = staged(record_doc["_versions"], version, {**kept, "Stages": []}, stages)
        return {**record_doc, "_versions": versions, "LastChangedDate": self.platform.clock()}

    async def _purge(self, job: Job) -> None:
        await job.send(PURGE, At=job.args["At"])


def staged(versions: dict[str, Any], version: str, kept: dict[str, Any], stages: list[str]) -> dict[str, Any]:
    """All versions after one has come that takes these stages. What was current is the previous one then. Raises LimitExceeded."""
    before = next((v for v, about in versions.items() if CURRENT in about["Stages"]), None)
    moved = {*stages, *((PREVIOUS,) if CURRENT in stages and before not in (None, version) else ())}
    result = {v: {**about, "Stages": [s for s in about["Stages"] if s not in moved]} for v, about in versions.items()}
    result[version] = {**kept, "Stages": [*kept["Stages"], *(s for s in stages if s not in kept["Stages"])]}
    if CURRENT in stages and before not in (None, version):
        result[str(before)]["Stages"].append(PREVIOUS)
    loose = [v for v, about in sorted(result.items(), key=lambda item: item[1]["At"]) if not about["Stages"]]
    for old in loose[: max(0, len(result) - VERSIONS)]:
        del result[old]
    if len(result) > VERSIONS:
        raise LimitExceeded(f"A secret has at most {VERSIONS} versions with a stage.")
    return result


def secret_arn(call: Call, name: str) -> str:
    return arn("secretsmanager", call.region, call.account, f"secret:{name}-{_suffix(call.scope, name)}")


def name_of(call: Call, given: str) -> str:
    """The name that a SecretId means: a name, an ARN, or an ARN without the six letters at its end. Raises NotFound."""
    if not given.startswith("arn:"):
        return given
    try:
        found = parse(given)
    except DomainError:
        raise NotFound("Secrets Manager can't find the specified secret.") from None
    kind, _, name = given.split(":", 5)[5].partition(":")
    if found.service != "secretsmanager" or kind != "secret" or (found.account, found.region) != (call.account, call.region):
        raise NotFound("Secrets Manager can't find the specified secret.")
    head, _, tail = name.rpartition("-")
    return head if head and tail == _suffix(call.scope, head) else name


def arns(call: Call) -> list[str]:
    """What a call acts on, for policies: known from the name alone, so that no policy is asked about what must be looked up first."""
    given = call.params.get("Name") or call.params["SecretId"]
    try:
        return [secret_arn(call, name_of(call, given))]
    except NotFound:
        return [given]


def refused(message: str) -> ServiceError:
    """What the state of a secret does not allow."""
    return ServiceError("InvalidRequestException", message)


def _suffix(scope: str, name: str) -> str:
    """The six letters that end a secret's ARN."""
    number = int.from_bytes(hashlib.sha256(f"{scope} {name}".encode()).digest()[:8])
    return "".join(_LETTERS[number // 62**n % 62] for n in range(6))


def _owner(scope: str, name: str, version: str) -> str:
    return f"secret {scope} {name} {version}"

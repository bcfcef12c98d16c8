"""One call, whoever makes it: check it, ask whether it may be done, do it, write it down."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .absent import reason
from .codecs import Failure
from .errors import (
    AccessDenied,
    AlreadyExists,
    DomainError,
    InUse,
    Invalid,
    LimitExceeded,
    NotFound,
    NotImplementedHere,
    ServiceError,
)
from .http import WireFault
from .models import Models, OperationModel, UnknownOperation, UnknownService
from .operations import Operation, Operations
from .types import Authority, Call, Conditions, Reply
from .validation import Validator, sentence

log = logging.getLogger("sagewright.wire")

Audit = Callable[[Call, BaseException | None, Reply | None], Awaitable[None]]

# Which declared error stands for a domain error: the first whose name ends so.
_NOT_FOUND = ("ResourceNotFound", "ResourceNotFoundException", "NoSuchEntityException", "NotFoundException", "NotFound", "NoSuchKey",
              "NoSuchBucket", "DoesNotExist")
_EXISTS = ("ResourceInUse", "EntityAlreadyExistsException", "ResourceAlreadyExistsException", "AlreadyExistsException",
           "AlreadyExists", "ConflictException", "ResourceConflictException")
_IN_USE = ("ResourceInUse", "ResourceInUseException", "ConflictException", "DeleteConflictException", "InUseException",
           "OperationAbortedException", "ConcurrentModificationException")
_LIMIT = ("ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "QuotaExceeded")
_INVALID = ("ValidationException", "ValidationError", "InvalidParameterException", "InvalidParameterValueException",
            "InvalidInputException", "InvalidRequestException", "BadRequestException", "InvalidParameterValue", "InvalidParameter")
_DENIED = ("AccessDeniedException", "AccessForbidden", "UnauthorizedException")


class Dispatcher:
    """Runs operations.

    Args:
        models: the service models.
        operations: what is bound.
        settings: of the server; nothing is read from them yet.
        authority: returns the Authority; asked at each call, so it may be set after construction.
        audit: awaited after every call that reached its operation or was denied.

    Set ``conditions`` after construction.
    """

    conditions: Conditions | None = None

    def __init__(
        self, models: Models, operations: Operations, settings: Any, authority: Callable[[], Authority | None],
        audit: Audit | None = None,
    ) -> None:
        self.models, self.operations = models, operations
        self._authority, self._audit = authority, audit
        self._validator = Validator()

    async def invoke(self, call: Call) -> Reply:
        """Validate, authorise, run, audit.

        Raises:
            DomainError: as the operation raised it, or Invalid / AccessDenied / NotImplementedHere found here.
        """
        model = self._model(call)
        bound = self.operations.get(call.service, call.operation)
        if bound is None:
            why = reason(call.service, call.operation)
            raise NotImplementedHere(
                f"{call.service} {call.operation} is not implemented by Sagewright{': ' + why if why else ''}; nothing was done."
            )
        try:
            self._admit(call, bound)
            self._validate(call, model)
            await self._authorize(call, bound)
            result = await bound.handler(call)
        except BaseException as error:
            if self._audit is not None:
                await self._audit(call, error, None)
            raise
        reply = result if isinstance(result, Reply) else Reply(result if result is not None else {})
        if self._audit is not None:
            await self._audit(call, None, reply)
        return reply

    def _model(self, call: Call) -> OperationModel:
        try:
            return self.models.operation(call.service, call.operation)
        except (UnknownService, UnknownOperation):
            raise ServiceError(
                "UnknownOperationException", f"{call.service} has no operation {call.operation}", 404
            ) from None

    @staticmethod
    def _admit(call: Call, bound: Operation) -> None:
        if call.principal.kind == "anonymous" and not bound.public:
            raise AccessDenied("Access Denied: the request is not signed" if call.service == "s3" else "The request is not signed")

    def _validate(self, call: Call, model: OperationModel) -> None:
        faults = self._validator.faults(model.input, call.params)
        if not faults:
            return
        if call.service == "s3":
            value, path, _ = faults[0]
            raise ServiceError("InvalidArgument", sentence(faults), 400, ArgumentName=path, ArgumentValue=value.strip("'"))
        raise Invalid(sentence(faults))

    async def _authorize(self, call: Call, bound: Operation) -> None:
        if call.principal.kind in {"root", "anonymous"}:
            return
        info = self.models.infos.get(call.service)
        action = bound.action or f"{info.prefix if info else call.service}:{call.operation}"
        context = {
            "aws:RequestedRegion": call.region, "aws:SourceIp": call.source_ip, "aws:UserAgent": call.user_agent,
            "aws:PrincipalArn": call.principal.arn, "aws:PrincipalAccount": call.principal.account,
            **(bound.conditions(call) if bound.conditions is not None else {}),
        }
        authority = self._authority()
        if authority is None:
            raise AccessDenied(f"Nobody can say yet whether {action} is allowed: the server is starting")
        # a call that names nothing is one on anything: it must not pass for want of something to ask about
        for arn in (bound.resources(call) if bound.resources is not None else ()) or ("*",):
            further = {**context, **(await self.conditions.context(call, arn))} if self.conditions else context
            for one in (action, *(self.conditions.besides(call) if self.conditions else ())):
                authority.authorize(call.principal, one, arn, further)


def failure_of(error: BaseException, model: OperationModel | None, request_id: str) -> Failure:
    """The code, status and members that the operation's own model has for an error; unexpected ones stay secret."""
    if isinstance(error, WireFault):
        return Failure(error.code, error.message, error.status, error.query, error.xml, error.members)
    if not isinstance(error, DomainError):
        log.error("request %s: %s failed", request_id, model, exc_info=error)
        return Failure(
            _declared(model, ("InternalFailure", "InternalServerException", "InternalServiceFault"), "InternalFailure"),
            f"The request processing has failed because of an unknown error. Request {request_id} is in the server's log.",
            500, "InternalFailure", "InternalError",
        )
    if isinstance(error, ServiceError):
        shape = model.service.find_error(error.code) if model is not None else None
        name = shape.name if shape is not None else error.code
        return Failure(name, error.message, error.status, shape.code if shape is not None else error.code, error.code, error.members)
    for kind, decide in _DECISIONS.items():
        if isinstance(error, kind):
            return decide(error, model)
    return _invalid(error, model)


def _declared(model: OperationModel | None, names: tuple[str, ...], otherwise: str) -> str:
    """The first of ``names`` that the operation declares, also as the end of a longer name."""
    declared = [e.name for e in model.errors] if model is not None else []
    for name in names:
        if name in declared:
            return name
    for name in names:
        for found in declared:
            if found.endswith(name):
                return found
    return otherwise


def _build(error: DomainError, model: OperationModel | None, code: str, status: int, xml: str = "") -> Failure:
    shape = model.service.find_error(code) if model is not None else None
    query = shape.code if shape is not None else code.removesuffix("Exception") if code == "AccessDeniedException" else code
    return Failure(code, error.message, shape.status if shape is not None else status, query, xml or query, error.members)


def _invalid_code(model: OperationModel | None) -> str:
    if model is not None and model.service.protocols == ["query"]:
        return _declared(model, ("InvalidInputException", "InvalidParameterException"), "ValidationError")
    return _declared(model, _INVALID, "ValidationException")


def _invalid(error: DomainError, model: OperationModel | None) -> Failure:
    return _build(error, model, _invalid_code(model), 400, "InvalidRequest" if model and model.service.name == "s3" else "")


def _not_found(error: DomainError, model: OperationModel | None) -> Failure:
    if model is not None and model.service.name == "s3":
        return _build(error, model, _declared(model, _NOT_FOUND, "NoSuchKey"), 404)
    return _build(error, model, _declared(model, _NOT_FOUND, _invalid_code(model)), 400)


def _exists(error: DomainError, model: OperationModel | None) -> Failure:
    if model is not None and model.service.name == "sagemaker":
        # Several families declare ResourceInUse for other reasons; which wording they have decides nothing here.
        return _build(error, model, _declared(model, ("ResourceInUse", "ConflictException"), "ValidationException"), 400)
    return _build(error, model, _declared(model, _EXISTS, _invalid_code(model)), 400)


def _in_use(error: DomainError, model: OperationModel | None) -> Failure:
    return _build(error, model, _declared(model, _IN_USE, _invalid_code(model)), 400)


def _limit(error: DomainError, model: OperationModel | None) -> Failure:
    return _build(error, model, _declared(model, _LIMIT, "LimitExceededException"), 400)


def _denied(error: DomainError, model: OperationModel | None) -> Failure:
    found = _build(error, model, _declared(model, _DENIED, "AccessDeniedException"), 403, "AccessDenied")
    found.status = 403
    return found


def _not_implemented(error: DomainError, model: OperationModel | None) -> Failure:
    return Failure("NotImplemented", error.message, 501, members=error.members)


_DECISIONS: Mapping[type[DomainError], Callable[[Any, OperationModel | None], Failure]] = {
    NotFound: _not_found, AlreadyExists: _exists, InUse: _in_use, LimitExceeded: _limit, AccessDenied: _denied,
    NotImplementedHere: _not_implemented, Invalid: _invalid,
}

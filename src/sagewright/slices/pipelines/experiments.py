"""The experiment and the trial of an execution, which its jobs become components of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...wire.errors import AlreadyExists, Invalid
from .expressions import resolve, text

if TYPE_CHECKING:
    from .driver import Driver


async def made(driver: Driver) -> dict[str, str]:
    """``{"ExperimentName", "TrialName"}``, both there. Raises DomainError, Unresolved."""
    config = {member: text(value) for member, value in (await resolve(driver.definition.experiment, driver.scope)).items() if value}
    if "ExperimentName" not in config:
        return {}
    experiment = {"ExperimentName": config["ExperimentName"]}
    for operation, request in (("CreateExperiment", experiment), ("CreateTrial", config)):
        if operation == "CreateTrial" and "TrialName" not in config:
            continue
        try:
            await driver.ask(operation, dict(request))
        except (AlreadyExists, Invalid) as error:
            if "unique" not in error.message and "already exists" not in error.message:
                raise
    return config

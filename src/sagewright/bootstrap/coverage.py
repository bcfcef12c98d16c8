"""What every operation of every service we bind does here, read from the table that the slices fill."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from ..adapters.files import FileLogs
from ..adapters.sqlite.metrics import SqliteMetrics
from ..resources.platform import Platform
from ..resources.shape import Shapes
from ..runtime.reconciler import Reconciler
from ..settings import Settings
from ..slices import SLICES
from ..wire.models import Models
from ..wire.operations import Operations
from .agent import images, objects
from .server import install


def coverage() -> dict[str, dict[str, str]]:
    """Service → operation → ``works``, ``metadata`` or ``missing``. Binds every slice to a platform that never starts."""
    models, operations = Models(), Operations()
    nothing: Any = None
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        platform = Platform(
            settings=settings, records=nothing, objects=objects(settings), logs=FileLogs(settings.data / "logs"),
            metrics=SqliteMetrics(settings.data / "metrics.sqlite"), runs=nothing, compute=nothing, images=images(settings),
            operations=operations, reconciler=Reconciler(nothing, time.time), tasks=nothing, api=nothing,
            shapes=lambda service: Shapes(models, service),
        )
        install(platform, SLICES)
        platform.objects.close()
    found: dict[str, dict[str, str]] = {}
    for service in sorted(operations.services()):
        bound = {o.name: o.effect for o in operations if o.service == service}
        found[service] = {name: bound.get(name, "missing") for name in sorted(models.service(service).operations)}
    return found

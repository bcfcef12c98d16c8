"""What is measured of components that nobody asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.gateway.routes import Routes, VariantSpec, component_key
from sagewright.slices.inference_components.gauges import COUNTS, INSTEAD, MINUTE, Gauges
from sagewright.stores.metrics import Sample

NOW = 1_800_000_000.0


def gauges(tmp_path: Path, **sockets: list[str]) -> Gauges:
    """Components by name, with the sockets of their copies."""
    routes = Routes()
    known = {}
    for name, paths in sockets.items():
        key = component_key("1/us-east-1", "e", name)
        routes.put(key, "e", [VariantSpec("v", 1.0, paths, instances=len(paths), component=name)])
        known[key] = name
    platform: Any = SimpleNamespace(metrics=SqliteMetrics(tmp_path / "metrics.sqlite"), starters=[], closers=[])
    return Gauges(platform, cast(Any, SimpleNamespace(routes=routes, known=known)))


def said(made: Gauges) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sample in made.samples(NOW):
        found.setdefault(sample.dimensions[0][1], set()).add(sample.name)
    return found


def test_idle_components_say_zero_and_those_without_copies_nothing(tmp_path: Path) -> None:
    made = gauges(tmp_path, idle=["/a"], empty=[])
    assert said(made) == {"idle": {"ConcurrentRequestsPerCopy", *COUNTS}, "e": set(INSTEAD)}
    assert all(sample.value == 0.0 for sample in made.samples(NOW))


def test_busy_components_are_counted_where_they_are_asked(tmp_path: Path) -> None:
    made = gauges(tmp_path, busy=["/a"])
    made.platform.metrics.put([Sample("AWS/SageMaker", "Invocations", (("InferenceComponentName", "busy"),), NOW - 5.0, 3.0)])
    assert said(made) == {"busy": {"ConcurrentRequestsPerCopy"}, "e": set(INSTEAD)}
    made.platform.metrics.put([Sample("AWS/SageMaker", "Invocations", (("EndpointName", "e"), ("VariantName", "v")), NOW - 5.0, 3.0)])
    assert said(made) == {"busy": {"ConcurrentRequestsPerCopy"}}


def test_a_variants_zeros_are_said_once_however_many_components_it_has(tmp_path: Path) -> None:
    made = gauges(tmp_path, one=["/a"], two=["/b"])
    assert len([s for s in made.samples(NOW) if s.name == "InvocationsPerInstance"]) == 1


def test_zeros_come_once_a_minute(tmp_path: Path) -> None:
    made = gauges(tmp_path, idle=["/a"])
    rounds = []
    for made._round in range(2 * MINUTE):
        rounds.append(len(said(made)["idle"]) > 1)
    assert rounds == ([True] + [False] * (MINUTE - 1)) * 2

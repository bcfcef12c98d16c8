"""Who takes the next request."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sagewright.slices.async_inference.crew import Crew


def doc(*tasks: tuple[str, str, int], weights: dict[str, float] | None = None, limit: int | None = None) -> dict[str, Any]:
    """An endpoint with tasks (name, variant, sockets)."""
    weights = weights or {variant: 1.0 for _, variant, _ in tasks}
    about: dict[str, Any] = {"OutputConfig": {"S3OutputPath": "s3://b/o"}}
    if limit:
        about["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": limit}
    return {"EndpointName": "e", "_fleet": {
        "Variants": [{"Name": name, "Weight": weight, "Role": f"role-{name}", "Async": about} for name, weight in weights.items()],
        "Tasks": {name: {"Variant": variant, "Sockets": [f"{name}/{n}" for n in range(sockets)]} for name, variant, sockets in tasks},
    }}


def crew(*args: Any, **more: Any) -> Crew:
    made = Crew()
    made.update(doc(*args, **more))
    return made


def taken(crew: Crew) -> list[str]:
    found = []
    while one := crew.take():
        found.append(one.task)
    return found


def test_the_limit_of_each_instance() -> None:
    assert Counter(taken(crew(("a", "v", 2), ("b", "v", 1), limit=3))) == {"a": 3, "b": 3}
    assert Counter(taken(crew(("a", "v", 2), ("b", "v", 1)))) == {"a": 4, "b": 2}
    assert taken(crew(("a", "v", 0))) == []
    assert taken(crew()) == []


def test_the_least_busy_instance_is_next() -> None:
    made = crew(("a", "v", 1), ("b", "v", 1), limit=9)
    assert [one.task for one in (made.take(), made.take(), made.take(), made.take()) if one] == ["a", "b", "a", "b"]


def test_variants_share_by_weight() -> None:
    made = crew(("a", "x", 1), ("b", "y", 1), weights={"x": 3.0, "y": 1.0}, limit=1000)
    got = Counter(one.variant for _ in range(400) if (one := made.take()))
    assert got == {"x": 300, "y": 100}


def test_a_variant_without_weight_gets_nothing_while_another_has_one() -> None:
    made = crew(("a", "x", 1), ("b", "y", 1), weights={"x": 1.0, "y": 0.0}, limit=5)
    assert {one.variant for _ in range(5) if (one := made.take())} == {"x"}


def test_what_is_busy_stays_busy_when_the_endpoint_changes() -> None:
    made = crew(("a", "v", 1), limit=2)
    first = made.take()
    assert first is not None
    made.update(doc(("a", "v", 1), ("b", "v", 1), limit=2))
    assert made.instances["a"] is first
    assert Counter(taken(made)) == {"a": 1, "b": 2}
    made.update(doc(("b", "v", 1), limit=2))
    assert first.gone
    assert (made.capacity, made.output, made.roles) == (1, {"S3OutputPath": "s3://b/o"}, {"v": "role-v"})


def test_one_that_rests_is_asked_again_when_it_is_ready() -> None:
    made = crew(("a", "v", 1), limit=2)
    made.instances["a"].resting = True
    assert made.take() is None
    made.update(doc(("a", "v", 1), limit=2))
    assert made.take() is not None

"""Shadows and capture of a deployment: what the routes get of them."""

from __future__ import annotations

from typing import Any

from sagewright.gateway.capture import plan
from sagewright.slices.hosting import fleet, shadows, views
from sagewright.slices.hosting.routing import specs

CAPTURE = {
    "InitialSamplingPercentage": 20, "DestinationS3Uri": "s3://bucket/path/", "CaptureOptions": [{"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["Application/JSON; charset=utf-8"]},
}


def variant(name: str, weight: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "Name": name, "Weight": weight, "Count": 1, "Strategy": "RANDOM", "Role": "role", "InstanceType": "ml.m5.large", "Resolved": 0.0,
        "Container": {"Image": "i"}, **more,
    }


def serving(*variants: dict[str, Any], state: str = "InService", **more: Any) -> dict[str, Any]:
    tasks = {f"t-{v['Name']}": {"Variant": v["Name"], "Phase": "Ready", "Sockets": [f"/{v['Name']}"]} for v in variants}
    return {"_state": state, "EndpointName": "E", "_fleet": {"Config": "c", "Started": 0.0, "Variants": list(variants), "Tasks": tasks}, **more}


def test_a_shadow_gets_the_quotient_of_the_weights_at_most_everything() -> None:
    for weight, share in ((0.5, 0.25), (2.0, 1.0), (7.0, 1.0), (0.0, 0.0)):
        (spec,) = specs(serving(variant("p", 2.0), variant("s", weight, Shadow="p")))
        (mirror,) = spec.shadows
        assert (spec.weight, spec.sockets, mirror.share, mirror.sockets) == (1.0, ["/p"], share, ["/s"])


def test_each_fleet_of_an_update_has_its_own_shadow() -> None:
    doc = serving(variant("p"), variant("s", Shadow="p"), state="Updating", _shift={"p": 0.25, "s": 0.25})
    after = serving(variant("p"))["_fleet"] | {"Config": "d"}
    new, old = specs({**doc, "_next": after})
    assert (new.weight, new.shadows, old.weight, len(old.shadows)) == (0.25, [], 0.75, 1)


def test_what_is_captured() -> None:
    (spec,) = specs(serving(variant("p", Capture=CAPTURE), variant("s", Shadow="p", Capture=CAPTURE)))
    assert spec.capture
    assert spec.capture.prefix == "s3://bucket/path/E/p"
    assert (spec.capture.percent, spec.capture.input, spec.capture.output, spec.capture.json) == (20.0, False, True, ["application/json"])
    assert spec.shadows[0].capture
    assert spec.shadows[0].capture.prefix == "s3://bucket/path/E/s"
    assert plan(variant("p", Capture={**CAPTURE, "EnableCapture": False}), "E") is None
    assert plan(variant("p"), "E") is None


def test_descriptions_keep_them_apart() -> None:
    doc = serving(variant("p"), variant("s", Shadow="p"))
    assert [v["VariantName"] for v in views.summaries(doc)] == ["p"]
    assert [v["VariantName"] for v in views.summaries(doc, shadow=True)] == ["s"]
    pending = views.pending({**doc, "_state": "Updating", "_next": doc["_fleet"]})
    assert pending
    assert [v["VariantName"] for v in pending["ShadowProductionVariants"]] == ["s"]


def test_retained_properties() -> None:
    old, new = serving(variant("p", Capture=CAPTURE))["_fleet"], [variant("p"), variant("q")]
    assert [v["Capture"] for v in fleet.retain(new, old, [])] == [CAPTURE, CAPTURE]
    assert [v.get("Capture") for v in fleet.retain(new, old, ["DataCaptureConfig"])] == [None, None]


def test_a_configuration_s_variants() -> None:
    config = {"ProductionVariants": [{"VariantName": "p"}], "ShadowProductionVariants": [{"VariantName": "s"}]}
    assert shadows.shadowed(config) == [({"VariantName": "p"}, {}), ({"VariantName": "s"}, {"Shadow": "p"})]

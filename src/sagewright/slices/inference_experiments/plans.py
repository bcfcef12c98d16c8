"""What an experiment makes of its endpoint: the configurations that it deploys, as CreateEndpointConfig takes them. Pure.

An experiment's document keeps what it needs of the configuration that the endpoint had before as ``_before``::

    {"Config": name, "Variant": ProductionVariant, "Capture": DataCaptureConfig or None, "KmsKeyId": key or None,
     "Given": whether ModelVariants says how the source variant is deployed}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Doc = Mapping[str, Any]

EVERYTHING = {"EnableCapture": True, "InitialSamplingPercentage": 100, "CaptureOptions": [{"CaptureMode": "InputAndOutput"}]}
DEPLOYED = 0.01
"""Weight of a shadow per percent of the requests, where the production variant weighs 1."""


def source(doc: Doc) -> str:
    """The production variant's name."""
    name: str = doc["ShadowModeConfig"]["SourceModelVariantName"]
    return name


def shadow(doc: Doc) -> str:
    """The shadow variant's name."""
    name: str = doc["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"]
    return name


def weight(doc: Doc) -> float:
    """The shadow's weight beside a production variant of weight 1."""
    percent: float = doc["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"]
    return percent * DEPLOYED


def config_name(doc: Doc, stage: str) -> str:
    """The configuration that the experiment deploys at a stage; the same whenever it is asked for."""
    return f"{doc['Name'][:42].rstrip('-')}-{int(doc['CreationTime'] * 1000):x}-{stage}"


def running(doc: Doc) -> dict[str, Any]:
    """The configuration with the shadow."""
    before = doc["_before"]
    storage = doc.get("DataStorageConfig")
    capture = before.get("Capture")
    if storage:
        kind = {"CaptureContentTypeHeader": storage["ContentType"]} if storage.get("ContentType") else {}
        key = {"KmsKeyId": storage["KmsKey"]} if storage.get("KmsKey") else {}
        capture = {**EVERYTHING, "DestinationS3Uri": storage["Destination"], **kind, **key}
    return _config(doc, "run", [_variant(doc, source(doc), 1.0)], [_variant(doc, shadow(doc), weight(doc))], capture)


def stopped(doc: Doc) -> dict[str, Any] | None:
    """The configuration that the endpoint is left with; None for the one that it had before."""
    actions, desired = doc["_stop"]["Actions"], doc["_stop"]["Desired"]
    capture = doc["_before"].get("Capture")
    if actions[source(doc)] == "Remove":
        return _config(doc, "end", [_variant(doc, shadow(doc), 1.0, desired)], [], capture)
    if actions[shadow(doc)] == "Retain":
        both = running(doc)
        shadows = [_variant(doc, shadow(doc), weight(doc), desired)]
        return _config(doc, "end", [_variant(doc, source(doc), 1.0, desired)], shadows, both.get("DataCaptureConfig"))
    return _config(doc, "end", [_variant(doc, source(doc), 1.0, desired)], [], capture) if desired else None


def stays(doc: Doc) -> bool:
    """Whether the endpoint is left as it is."""
    stop = doc["_stop"]
    return set(stop["Actions"].values()) == {"Retain"} and not stop["Desired"]


def left(doc: Doc) -> list[str]:
    """The variants that the endpoint has after the experiment."""
    return [name for name, action in doc["_stop"]["Actions"].items() if action != "Remove"]


def _variant(doc: Doc, name: str, share: float, desired: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    about = next(v for v in doc["ModelVariants"] if v["VariantName"] == name)
    other = next((v for v in desired or () if v["VariantName"] == name), about)
    size = other["InfrastructureConfig"]["RealTimeInferenceConfig"]
    known = doc["_before"]["Variant"] if name == source(doc) else {}
    return {
        **known, "VariantName": name, "ModelName": other["ModelName"], "InstanceType": size["InstanceType"],
        "InitialInstanceCount": size["InstanceCount"], "InitialVariantWeight": share,
    }


def _config(doc: Doc, stage: str, production: list[Any], shadows: list[Any], capture: dict[str, Any] | None) -> dict[str, Any]:
    key = doc.get("KmsKey") or doc["_before"].get("KmsKeyId")
    return {
        "EndpointConfigName": config_name(doc, stage), "ProductionVariants": production,
        **({"ShadowProductionVariants": shadows} if shadows else {}),
        **({"DataCaptureConfig": capture} if capture else {}),
        **({"KmsKeyId": key} if key else {}),
    }

"""What can be compiled for which target: pure tables and readers of the request's two JSON texts.

A compiled model is ONNX for ONNX Runtime, whose releases exist for x86-64 and 64-bit ARM. Everything else is refused with
the reason why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

X86_64, ARM64 = "X86_64", "ARM64"
DEVICES = {
    **dict.fromkeys(("lambda", "ml_m4", "ml_m5", "ml_c4", "ml_c5", "sbe_c", "x86_win64"), X86_64),
    **dict.fromkeys(("ml_m6g", "ml_c6g", "rasp3b", "rasp4b", "imx8qm"), ARM64),
}
"""Device → processor. Raspberry Pi: with a 64-bit system."""
_GPU = "compiles for a GPU; only processors are built here: ml_c5, ml_m5, ml_c6g, rasp4b, LINUX on X86_64 or ARM64, ..."
_NPU = "compiles for a vendor's accelerator, whose compiler is the vendor's own; only processors are built here"
_NARROW = "is a 32-bit target, for which ONNX Runtime has no release; take a 64-bit one"
REFUSED = {
    **dict.fromkeys(("ml_p2", "ml_p3", "ml_g4dn", "jetson_tx1", "jetson_tx2", "jetson_nano", "jetson_xavier", "deeplens", "rk3399", "aisage"), _GPU),
    **dict.fromkeys(("ml_inf1", "ml_inf2", "ml_trn1", "ml_eia2", "qcs605", "qcs603", "amba_cv2", "amba_cv22", "amba_cv25",
                     "jacinto_tda4vm", "imx8mplus", "coreml"), _NPU),
    **dict.fromkeys(("rk3288", "sitara_am57x", "x86_win32"), _NARROW),
}  # fmt: skip
FRAMEWORKS = ("XGBOOST", "SKLEARN", "PYTORCH", "ONNX")
TAGS = {"XGBOOST": "1", "ONNX": "1", "PYTORCH": "pytorch-2.13"}
SKLEARN = {"1.2": "scikit-learn-1.2", "1.4": "scikit-learn-1.4"}
"""A pickle is read by the release that wrote it."""
REPOSITORY = "sagewright-neo"
OPTIONS = ("quantization", "mcpu", "mattr")
"""CompilerOptions: ``quantization`` is ours; ``mcpu`` and ``mattr`` tune a code generator, which ONNX Runtime does when it
loads a model: they change nothing and are taken."""


class Refused(Exception):
    """The job cannot be done; the message is its FailureReason without prefix."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the compiler is asked to do."""

    image: str
    target: str
    """As it stands in the archive's name."""
    inputs: list[dict[str, Any]]
    """[{"Name", "Shape"}]; empty where the model tells them itself."""
    quantization: str
    """``int8`` or nothing."""


def plan(source: dict[str, Any], output: dict[str, Any]) -> Plan:
    """Raises Refused."""
    target = target_name(output)
    return Plan(image(source["Framework"], source.get("FrameworkVersion", "")), target,
                shapes(source["Framework"], source.get("DataInputConfig", "")), quantization(output.get("CompilerOptions", "")))  # fmt: skip


def target_name(output: dict[str, Any]) -> str:
    """The target's name, if it can be compiled for."""
    if device := output.get("TargetDevice"):
        if device in DEVICES:
            return str(device)
        raise Refused(f"OutputConfiguration: TargetDevice {device} {REFUSED.get(device, 'is not known here')}.")
    platform = output["TargetPlatform"]
    name = "_".join(platform[k] for k in ("Os", "Arch", "Accelerator") if k in platform)
    if "Accelerator" in platform:
        raise Refused(f"OutputConfiguration: TargetPlatform {name} {_NPU if platform['Accelerator'] == 'NNA' else _GPU}.")
    if platform["Os"] != "LINUX":
        raise Refused(f"OutputConfiguration: TargetPlatform {name}: only LINUX is built here.")
    if platform["Arch"] not in (X86_64, ARM64):
        raise Refused(f"OutputConfiguration: TargetPlatform {name} {_NARROW}.")
    return name


def image(framework: str, version: str) -> str:
    """The image that compiles a framework's models."""
    if framework == "SKLEARN":
        minor = ".".join((version or "1.2").split("-")[0].split(".")[:2])
        if minor not in SKLEARN:
            raise Refused(f"InputConfiguration: FrameworkVersion {version} of scikit-learn is not built here; there are {', '.join(SKLEARN)}.")
        return f"{REPOSITORY}:{SKLEARN[minor]}"
    if framework not in TAGS:
        raise Refused(
            f"InputConfiguration: models of {framework} are not compiled here; there are {', '.join(FRAMEWORKS)}. "
            "Convert it to ONNX first and compile it with Framework ONNX."
        )
    return f"{REPOSITORY}:{TAGS[framework]}"


def shapes(framework: str, text: str) -> list[dict[str, Any]]:
    """DataInputConfig: {"name": [dims]}, {"name": {"shape": [dims]}}, or for PyTorch bare lists of dims, called input0, input1, ..."""
    if not text.strip():
        return []
    try:
        given = json.loads(text)
    except ValueError:
        try:  # the documentation's own examples have Python's quotes
            given = json.loads(text.replace("'", '"'))
        except ValueError as error:
            raise Refused(f"InputConfiguration: DataInputConfig is not JSON: {error}.") from None
    if isinstance(given, list):
        if framework != "PYTORCH":
            raise Refused(f"InputConfiguration: DataInputConfig of {framework} must map each input's name to its shape.")
        given = {f"input{n}": shape for n, shape in enumerate([given] if given and isinstance(given[0], int) else given)}
    if not isinstance(given, dict) or not given:
        raise Refused("InputConfiguration: DataInputConfig must map each input's name to its shape.")
    return [{"Name": name, "Shape": _shape(name, shape)} for name, shape in given.items()]


def _shape(name: str, shape: Any) -> list[int]:
    if isinstance(shape, dict):
        shape = shape.get("shape")
    if not isinstance(shape, list) or not shape or not all(isinstance(d, int) and not isinstance(d, bool) and d > 0 for d in shape):
        raise Refused(f"InputConfiguration: DataInputConfig: the shape of {name} must be a list of positive whole numbers.")
    return list(shape)


def quantization(text: str) -> str:
    """CompilerOptions: what to quantize to; nothing for float."""
    if not text.strip():
        return ""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused('OutputConfiguration: CompilerOptions must be a JSON object, such as {"quantization": "int8"}.')
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise Refused(f"OutputConfiguration: CompilerOptions {', '.join(unknown)} are not supported here; there are {', '.join(OPTIONS)}.")
    wanted = given.get("quantization", "none")
    if wanted not in ("none", "int8"):
        raise Refused(f"OutputConfiguration: CompilerOptions quantization must be int8 or none, not {wanted}.")
    return "int8" if wanted == "int8" else ""

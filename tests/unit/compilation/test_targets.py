"""Which targets, frameworks, shapes and options are compiled, and what the others are told."""

from __future__ import annotations

import botocore.session
import pytest

from sagewright.slices.compilation.executor import archive
from sagewright.slices.compilation.targets import (
    DEVICES,
    REFUSED,
    Refused,
    image,
    plan,
    quantization,
    shapes,
    target_name,
)


def test_every_device_of_the_service_model_is_compiled_for_or_refused_with_a_reason() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    known = set(model.shape_for("TargetDevice").enum)
    assert known <= set(DEVICES) | set(REFUSED)
    assert not set(DEVICES) & set(REFUSED)


@pytest.mark.parametrize("framework", botocore.session.get_session().get_service_model("sagemaker").shape_for("Framework").enum)
def test_every_framework_of_the_service_model_has_an_image_or_a_reason(framework: str) -> None:
    if framework in ("XGBOOST", "SKLEARN", "PYTORCH", "ONNX"):
        assert image(framework, "").startswith("sagewright-neo:")
    else:
        with pytest.raises(Refused, match="are not compiled here"):
            image(framework, "")


@pytest.mark.parametrize(("framework", "text", "found"), [
    ("XGBOOST", "", []),
    ("ONNX", '{"data": [1, 3, 4, 4]}', [("data", [1, 3, 4, 4])]),
    ("ONNX", "{'data': [1, 3], 'mask': [1]}", [("data", [1, 3]), ("mask", [1])]),
    ("PYTORCH", "[[1, 3], [1, 4]]", [("input0", [1, 3]), ("input1", [1, 4])]),
    ("PYTORCH", "[1, 3]", [("input0", [1, 3])]),
    ("SKLEARN", '{"data": {"shape": [1, 3], "type": "float"}}', [("data", [1, 3])]),
])  # fmt: skip
def test_data_input_config(framework: str, text: str, found: list[tuple[str, list[int]]]) -> None:
    assert shapes(framework, text) == [{"Name": name, "Shape": shape} for name, shape in found]


@pytest.mark.parametrize(("framework", "text", "said"), [
    ("ONNX", "[[1, 3]]", "must map each input's name"),
    ("ONNX", "{}", "must map each input's name"),
    ("ONNX", '{"x": [0, 3]}', "positive whole numbers"),
    ("ONNX", '{"x": [true]}', "positive whole numbers"),
    ("ONNX", '{"x": []}', "positive whole numbers"),
    ("ONNX", "nothing", "is not JSON"),
])  # fmt: skip
def test_data_input_config_that_says_nothing(framework: str, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        shapes(framework, text)


def test_compiler_options() -> None:
    assert quantization("") == quantization('{"mcpu": "skylake"}') == quantization('{"quantization": "none"}') == ""
    assert quantization('{"quantization": "int8", "mattr": ["+neon"]}') == "int8"
    for text, said in (('"--verbose 1"', "must be a JSON object"), ('{"quantization": "int4"}', "int8 or none"), ('{"gpu-code": "sm_53"}', "gpu-code are not supported")):
        with pytest.raises(Refused, match=said):
            quantization(text)


def test_a_plan_and_its_archive() -> None:
    made = plan({"Framework": "SKLEARN", "FrameworkVersion": "1.4.2"}, {"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"}})
    assert (made.image, made.target) == ("sagewright-neo:scikit-learn-1.4", "LINUX_ARM64")
    assert archive("s3://bucket/a/b/model.v1.tar.gz", made.target) == "model.v1-LINUX_ARM64.tar.gz"
    with pytest.raises(Refused, match="32-bit"):
        target_name({"TargetPlatform": {"Os": "LINUX", "Arch": "ARM_EABIHF"}})
    with pytest.raises(Refused, match="only LINUX"):
        target_name({"TargetPlatform": {"Os": "ANDROID", "Arch": "ARM64"}})

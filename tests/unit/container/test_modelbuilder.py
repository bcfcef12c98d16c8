"""What ModelBuilder's scripts and pickles find in an image without the SageMaker SDK."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import io
import json
import pickle
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagewright_container import modelbuilder, payloads


@pytest.fixture
def names() -> Iterator[None]:
    """The SDK's names, until the end of the test."""
    modelbuilder.provide()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "sagemaker"]:
        del sys.modules[name]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "serve.pkl").write_bytes(b"pickle")
    (tmp_path / "metadata.json").write_text(json.dumps({"sha256_hash": hashlib.sha256(b"pickle").hexdigest()}))
    return tmp_path


@pytest.mark.parametrize("module", modelbuilder.MODULES)
def test_every_name_is_importable(names: None, module: str) -> None:
    found = importlib.import_module(module)
    for member in modelbuilder.MODULES[module]:
        assert getattr(found, member.__name__) is member


def test_a_schema_of_either_sdk_loads(names: None) -> None:
    """The pickle names each class by its module in the SDK."""
    for package in ("sagemaker.core.deserializers.base", "sagemaker.base_deserializers"):
        text = (
            b"csagemaker.serve.builder.schema_builder\nSchemaBuilder\n)\x81}(X\x12\x00\x00\x00input_deserializer"
            b"csagemaker.serve.builder.schema_builder\nDeserializerWrapper\n)\x81}(X\x0d\x00\x00\x00_deserializer"
            + f"c{package}\nJSONDeserializer\n".encode() + b")\x81}X\x06\x00\x00\x00acceptX\x10\x00\x00\x00application/jsonsb"
            b"X\x07\x00\x00\x00_acceptX\x10\x00\x00\x00application/json\x85ubub."
        )  # fmt: skip
        schema = pickle.loads(b"\x80\x02" + text)
        assert schema.input_deserializer.deserialize(io.BytesIO(b"[1, 2]"), "whatever it is") == [1, 2]
        assert schema.input_deserializer.ACCEPT == "application/json"


def test_what_is_not_here_is_refused_by_name(names: None) -> None:
    with pytest.raises(ImportError, match="Session"):
        exec("from sagemaker.serve.constants import Session")
    with pytest.raises(AttributeError, match=r"sagemaker\.Session: .*'sagemaker==\.\.\.'"):
        importlib.import_module("sagemaker").Session  # noqa: B018


def test_a_real_sdk_goes_first(tmp_path: Path) -> None:
    package = tmp_path / "sagemaker" / "serve"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("real = True")
    program = "import sys; from sagewright_container import modelbuilder; modelbuilder.provide(); import sagemaker.serve; print(sagemaker.serve.real, len(sys.modules['sagemaker'].__path__), 'sagemaker.serializers' in sys.modules)"
    root = Path(modelbuilder.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": f"{root}:{tmp_path}"}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1", "False"]


def test_integrity(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modelbuilder.perform_integrity_check(b"pickle", code / "metadata.json")
    with pytest.raises(ValueError, match=r"serve\.pkl has changed"):
        modelbuilder.perform_integrity_check(b"another", code / "metadata.json")
    with pytest.raises(ValueError, match="does not say"):
        modelbuilder.perform_integrity_check(b"pickle", code / "none.json")
    monkeypatch.setenv("SAGEMAKER_SERVE_SECRET_KEY", "key")
    with pytest.raises(ValueError, match="has changed"):
        modelbuilder.perform_integrity_check(b"pickle", code / "metadata.json")
    (code / "metadata.json").write_text(json.dumps({"sha256_hash": hmac.new(b"key", b"pickle", "sha256").hexdigest()}))
    modelbuilder.perform_integrity_check(b"pickle", code / "metadata.json")


@pytest.mark.parametrize(
    ("asked", "installed"),
    [("sagemaker[huggingface]>=2.199\n", None), ("", None), ("sagemaker[huggingface]>=2.199\ncloudpickle==3.1.2\n", "cloudpickle==3.1.2\n"),
     ("sagemaker==2.257.7\n", "sagemaker==2.257.7\n")],
)  # fmt: skip
def test_the_sdk_that_sdk_v2_asks_for_by_itself_is_not_installed(code: Path, tmp_path: Path, asked: str, installed: str | None) -> None:
    (code / "requirements.txt").write_text(asked)
    place = tmp_path / "packages"
    place.mkdir()
    found = modelbuilder.wanted(str(code), str(place))
    assert (Path(found).read_text() if found else None) == installed


class Encoded:
    """What JSON does not know, but a list does."""

    def tolist(self) -> list[int]:
        return [1, 2]


@pytest.mark.parametrize(
    ("serializer", "value", "body"),
    [
        (payloads.CSVSerializerWrapper(), [[1, "a,b"], [2, "c"]], b'1,"a,b"\n2,c'), (payloads.CSVSerializer(), [1, 2], "1,2"),
        (payloads.JSONSerializerWrapper(), {"x": Encoded()}, b'{"x": [1, 2]}'), (payloads.JSONSerializer(), Encoded(), "[1, 2]"),
        (payloads.JSONLinesSerializer(), [1, {"a": 2}], '1\n{"a": 2}'), (payloads.StringSerializer(), "é", "é".encode()),
        (payloads.DataSerializer(), {"data": b"x"}, b"x"), (payloads.LibSVMSerializer(), "1 1:2", "1 1:2"),
        (payloads.IdentitySerializer(), b"x", b"x"),
    ],
)  # fmt: skip
def test_serializers(serializer: Any, value: Any, body: Any) -> None:
    assert serializer.serialize(value) == body


@pytest.mark.parametrize(
    ("deserializer", "body", "value"),
    [
        (payloads.CSVDeserializer(), b'1,"a,b"\n2,c\n', [["1", "a,b"], ["2", "c"]]), (payloads.JSONDeserializer(), b"[1]", [1]),
        (payloads.JSONLinesDeserializer(), b"1\n2\n", [1, 2]), (payloads.StringDeserializer(), "é".encode(), "é"),
        (payloads.BytesDeserializer(), b"x", b"x"),
    ],
)  # fmt: skip
def test_deserializers(deserializer: Any, body: bytes, value: Any) -> None:
    assert deserializer.deserialize(io.BytesIO(body), deserializer.ACCEPT[0]) == value


def test_the_script_of_sdk_v2_installs_no_sdk_while_it_is_imported(code: Path, names: None, capfd: pytest.CaptureFixture[str]) -> None:
    real = subprocess.check_call
    with modelbuilder.importing(str(code)):
        assert subprocess.check_call("pip install sagemaker", shell=True) == 0
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.check_call([sys.executable, "-c", "raise SystemExit(3)"])
    assert subprocess.check_call is real
    assert capfd.readouterr().err == "left out: pip install sagemaker\n"
    with modelbuilder.importing(str(code / "elsewhere")):
        assert subprocess.check_call is real


def test_a_shared_library_is_loaded_from_the_model(code: Path, tmp_path: Path) -> None:
    script = ModuleType("inference")
    script.shutil = shutil  # type: ignore[attr-defined]
    modelbuilder.adapt(str(code / "elsewhere"), script)
    assert script.shutil is shutil
    modelbuilder.adapt(str(code), script)
    (tmp_path / "libs").mkdir()
    script.shutil.copytree(tmp_path / "libs", "/lib", dirs_exist_ok=True)  # none at all: the usual case
    script.shutil.copytree(tmp_path / "libs", tmp_path / "copy")
    assert (tmp_path / "copy").is_dir()
    (tmp_path / "libs" / f"libbad{sysconfig.get_config_var('SHLIB_SUFFIX')}").write_text("no library")
    with pytest.raises(OSError, match="libbad"):
        script.shutil.copytree(tmp_path / "libs", "/lib", dirs_exist_ok=True)


def test_frameworks_are_told_by_their_classes() -> None:
    Net = type("Net", (type("Module", (), {"__module__": "torch.nn.modules.module"}),), {})
    assert "torch" in str(modelbuilder._get_model_base(Net()))
    Booster = type("Booster", (), {"__module__": "xgboost.core"})
    assert modelbuilder._get_model_base(Booster()) is Booster
    assert modelbuilder._detect_framework_and_version(str(Booster))[0] == "xgboost"
    assert modelbuilder._detect_framework_and_version("<class 'own.Model'>") == ("", "")

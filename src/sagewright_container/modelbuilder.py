"""What the models of the SageMaker SDK's ModelBuilder need besides their files: the names that they import from the SDK.

ModelBuilder packs its own ``inference.py`` with a pickle, ``serve.pkl``, and that file's SHA-256 in ``metadata.json``. Script and
pickle name modules below ``sagemaker``; the SDK weighs 300 MB with what it needs, of which a model server uses these few classes.
So where an image has no SDK, the modules of ``MODULES`` are made here, of SDK v2's and v3's names alike. A real SDK, in the image
or asked for by the model's requirements, always goes first. The script checks the pickle's integrity before it loads it, inside of
the job's sandbox.
"""

import abc
import contextlib
import ctypes
import enum
import hashlib
import hmac
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from types import ModuleType
from typing import Any, Dict, Iterator, Tuple

from . import payloads

PICKLE = "serve.pkl"
DECLARED = "sagemaker[huggingface]>=2.199"
"""What SDK v2 writes into the requirements of every model; pip would take it for SDK v3, in which v2's pickles do not load."""
COMMANDS = ("pip install sagemaker", "pip install boto3==1.17.52")
"""What SDK v2's script for XGBoost images runs in a shell before anything else, whatever comes of it: 700 MB at each start."""


def made(folder: str) -> bool:
    """Whether the code of ``folder`` is ModelBuilder's."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in (PICKLE, "metadata.json"))


def wanted(folder: str, place: str) -> str:
    """Of what the requirements.txt of ``folder`` lists, what pip is to install: a file in ``place``, empty for nothing at all.

    That is without the SDK that SDK v2 puts there by itself; one that the user asks for has another version and stays.
    """
    with open(os.path.join(folder, "requirements.txt"), encoding="utf-8") as file:
        lines = [line for line in file if line.strip() not in ("", DECLARED)]
    if not lines:
        return ""
    path = os.path.join(place, "requirements.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


@contextlib.contextmanager
def importing(folder: str) -> Iterator[None]:
    """While the script of ``folder`` is imported. ModelBuilder's finds the SDK's names, and installs no SDK by itself."""
    if not made(folder):
        yield
        return
    provide()
    call = subprocess.check_call

    def check_call(command: Any, *more: Any, **how: Any) -> int:
        if command not in COMMANDS:
            return call(command, *more, **how)
        sys.stderr.write("left out: %s\n" % command)
        return 0

    subprocess.check_call = check_call  # type: ignore[assignment]
    try:
        yield
    finally:
        subprocess.check_call = call


def provide() -> None:
    """Put the SDK's names into ``sys.modules``, unless the SDK is here. What there is of it stays as it is."""
    if not _missing("sagemaker.serve"):
        return
    for name, members in MODULES.items():
        module = _module(name)
        for member in members:
            module.__dict__.setdefault(member.__name__, member)


def adapt(folder: str, script: ModuleType) -> None:
    """Have ModelBuilder's script load shared libraries from the model, where it would copy them to /lib."""
    if made(folder) and hasattr(script, "shutil"):
        script.shutil = _Libraries()  # type: ignore[attr-defined]


class InferenceSpec(abc.ABC):
    """The user's own model: how it is loaded, and how it answers."""

    @abc.abstractmethod
    def load(self, model_dir: str) -> Any:
        """The model of a folder."""

    @abc.abstractmethod
    def invoke(self, input_object: Any, model: Any) -> Any:
        """The answer to an input."""

    def preprocess(self, input_data: Any) -> Any:
        """The input as ``invoke`` wants it."""
        return input_data

    def postprocess(self, predictions: Any) -> Any:
        """The answer as the caller wants it."""
        return predictions

    def prepare(self, *args: Any, **kwargs: Any) -> Any:
        """Called where the model is built, not here."""
        return None

    def get_model(self) -> Any:
        """Called where the model is built, not here."""
        return None


class TritonSchemaBuilder:
    """What SchemaBuilder derives from; a pickle brings its attributes."""


class SchemaBuilder(TritonSchemaBuilder):
    """Holds the serializers, deserializers or translators that a pickle brings; schemas are made by the SDK, not here."""


class Framework(enum.Enum):
    XGBOOST = "XGBoost"
    LDA = "LDA"
    PYTORCH = "PyTorch"
    TENSORFLOW = "TensorFlow"
    MXNET = "MXNet"
    CHAINER = "Chainer"
    SKLEARN = "SKLearn"
    HUGGINGFACE = "HuggingFace"
    DJL = "DJL"
    SPARKML = "SparkML"
    NTM = "NTM"
    SMD = "SMD"


def perform_integrity_check(buffer: bytes, metadata_path: Any) -> None:
    """Compare a pickle with the digest beside it: SHA-256, keyed where an older SDK has given the container its key.

    Raises:
        ValueError: they differ, or there is no digest.
    """
    try:
        with open(str(metadata_path), encoding="utf-8") as file:
            expected = str(json.load(file)["sha256_hash"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ValueError("%s does not say the digest of %s: %s" % (metadata_path, PICKLE, e)) from e
    key = os.environ.get("SAGEMAKER_SERVE_SECRET_KEY")
    found = hmac.new(key.encode(), buffer, hashlib.sha256) if key else hashlib.sha256(buffer)
    if not hmac.compare_digest(expected, found.hexdigest()):
        raise ValueError("%s has changed since the model was built: its digest is not the one of %s" % (PICKLE, metadata_path))


def load_xgboost_from_json(model_save_path: str, class_name: str) -> Any:
    """The XGBoost model of a file, as an object of the class it was.

    Raises:
        ValueError: the class is not there, or does not load the file.
    """
    module, _, name = class_name.rpartition(".")
    try:
        model = getattr(importlib.import_module(module), name)()
        model.load_model(model_save_path)
    except Exception as e:
        raise ValueError("no %s can be made of %s: %s" % (class_name, model_save_path, e)) from e
    return model


def _get_model_base(model: Any) -> type:
    """The class that tells a model's framework."""
    own = type(model)
    base: type = own.__base__ or own
    return own if base is object or "xgboost" in own.__module__ else base


def _detect_framework_and_version(model_base: str) -> Tuple[str, str]:
    """(framework, its version here) by the name of a class; empty for what is not known."""
    for framework, words, package in (
        ("pytorch", ("torch",), "torch"), ("xgboost", ("xgb",), "xgboost"),
        ("tensorflow", ("keras", "tensorflow"), "tensorflow"), ("sklearn", ("sklearn",), "sklearn"),
    ):  # fmt: skip
        if any(word in model_base for word in words):
            with contextlib.suppress(ImportError):  # its models may be of another package
                return framework, str(importlib.import_module(package).__version__)
            return framework, ""
    return "", ""


class _Libraries:
    """``shutil``, but for a copy to the system's own folder, which a job may not write."""

    def __getattr__(self, name: str) -> Any:
        return getattr(shutil, name)

    @staticmethod
    def copytree(source: Any, target: Any, **how: Any) -> Any:
        if str(target) != "/lib":
            return shutil.copytree(source, target, **how)
        waiting = [os.path.join(str(source), name) for name in sorted(os.listdir(str(source)))]
        while waiting:
            # one that needs another of them loads once that one is there
            failed = [(path, error) for path in waiting for error in [_load(path)] if error]
            if len(failed) == len(waiting):
                raise OSError("shared libraries that do not load: %s" % "; ".join("%s: %s" % pair for pair in failed))
            waiting = [path for path, _ in failed]
        return target


def _load(path: str) -> str:
    try:
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    except OSError as e:
        return str(e)
    return ""


def _missing(name: str) -> bool:
    if name in sys.modules:
        return False
    try:
        return importlib.util.find_spec(name) is None
    except (ImportError, ValueError):
        return True  # a module above it is not there, or is one of ours


def _module(name: str) -> ModuleType:
    """The module of that name, made if need be, and so those above it."""
    if name in sys.modules:
        return sys.modules[name]
    above, _, last = name.rpartition(".")
    if not _missing(name):
        return importlib.import_module(name)
    module = ModuleType(name, "Stands in for the SageMaker SDK's module.")
    module.__path__ = []
    module.__getattr__ = lambda wanted: _refuse(name, wanted)  # type: ignore[method-assign]
    sys.modules[name] = module
    if above:
        setattr(_module(above), last, module)
    return module


def _refuse(module: str, wanted: str) -> Any:
    raise AttributeError(
        "%s.%s: this image has of the SageMaker SDK what ModelBuilder's scripts use. For more, ask for the SDK in ModelBuilder's"
        " dependencies, with your own version: {'custom': ['sagemaker==...']}" % (module, wanted)
    )


MODULES: Dict[str, Tuple[Any, ...]] = {
    "sagemaker.serve.spec.inference_spec": (InferenceSpec,),
    "sagemaker.serve.validations.check_integrity": (perform_integrity_check,),
    "sagemaker.serve.detector.image_detector": (_detect_framework_and_version, _get_model_base),
    "sagemaker.serve.detector.pickler": (load_xgboost_from_json,),
    "sagemaker.serve.constants": (Framework,),
    "sagemaker.serve.marshalling.custom_payload_translator": (payloads.CustomPayloadTranslator,),
    "sagemaker.serve.builder.triton_schema_builder": (TritonSchemaBuilder,),
    "sagemaker.serve.builder.schema_builder": (
        SchemaBuilder, payloads.DeserializerWrapper, payloads.JSONSerializerWrapper, payloads.CSVSerializerWrapper,
    ),
    "sagemaker.base_serializers": payloads.SERIALIZERS,
    "sagemaker.base_deserializers": payloads.DESERIALIZERS,
    "sagemaker.serializers": payloads.SERIALIZERS,
    "sagemaker.deserializers": payloads.DESERIALIZERS,
    "sagemaker.core.serializers.base": payloads.SERIALIZERS,
    "sagemaker.core.serializers": payloads.SERIALIZERS,
    "sagemaker.core.deserializers.base": payloads.DESERIALIZERS,
    "sagemaker.core.deserializers": payloads.DESERIALIZERS,
}  # fmt: skip
"""Module → its members that are here."""

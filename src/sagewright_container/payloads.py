"""Serializers and deserializers of the SageMaker SDK's names, for what its ModelBuilder pickles into a model.

A ``SchemaBuilder`` in ``serve.pkl`` refers to the SDK's classes by name and brings their attributes (``content_type``, ``accept``,
``dtype`` and so on). These are classes of the same names, attributes and formats, so that the pickle loads in an image without
the SDK: ``modelbuilder`` puts them where the pickle looks. NumPy, pandas, SciPy and PyTorch are imported when a format needs them.
"""

import abc
import csv
import io
import json
from typing import IO, Any, Dict, List, Tuple, Union


class BaseSerializer(abc.ABC):
    """Values into what an endpoint gets: ``serialize(data)`` and ``CONTENT_TYPE``."""

    @abc.abstractmethod
    def serialize(self, data: Any) -> Any:
        """Text or bytes of the type ``CONTENT_TYPE``."""

    @property
    @abc.abstractmethod
    def CONTENT_TYPE(self) -> str:
        """A media type."""


class SimpleBaseSerializer(BaseSerializer):
    DEFAULT = "application/json"

    def __init__(self, content_type: str = "") -> None:
        self.content_type = content_type or self.DEFAULT

    @property
    def CONTENT_TYPE(self) -> str:
        return self.content_type


class CSVSerializer(SimpleBaseSerializer):
    """Rows without a header. Text and files are taken as they are."""

    DEFAULT = "text/csv"

    def serialize(self, data: Any) -> Any:
        if isinstance(data, str):
            return data
        if hasattr(data, "read"):
            return data.read()
        if hasattr(data, "to_csv"):
            return data.to_csv(header=False, index=False)
        value = data.tolist() if hasattr(data, "tolist") else list(data)
        rows = value if value and isinstance(value[0], (list, tuple)) else [value]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        return out.getvalue().rstrip("\n")


class NumpySerializer(SimpleBaseSerializer):
    """One array in .npy format."""

    DEFAULT = "application/x-npy"

    def __init__(self, dtype: Any = None, content_type: str = "") -> None:
        super().__init__(content_type)
        self.dtype = dtype

    def serialize(self, data: Any) -> Any:
        if hasattr(data, "read"):
            return data.read()
        import numpy  # type: ignore[import-not-found, unused-ignore]

        array = data if isinstance(data, numpy.ndarray) else numpy.array(data, self.dtype)
        if array.size == 0:
            raise ValueError("an array without elements cannot be sent")
        out = io.BytesIO()
        numpy.save(out, array)
        return out.getvalue()


class JSONSerializer(SimpleBaseSerializer):
    """JSON; arrays as lists, at the top and as values of a dictionary."""

    def serialize(self, data: Any) -> Any:
        if hasattr(data, "read"):
            return data.read()
        if isinstance(data, dict):
            return json.dumps({key: _listed(value) for key, value in data.items()})
        return json.dumps(_listed(data))


class JSONSerializerWrapper(JSONSerializer):
    """As bytes."""

    def serialize(self, data: Any) -> Any:
        return super().serialize(data).encode("utf-8")


class CSVSerializerWrapper(CSVSerializer):
    """As bytes."""

    def serialize(self, data: Any) -> Any:
        return super().serialize(data).encode("utf-8")


class IdentitySerializer(SimpleBaseSerializer):
    DEFAULT = "application/octet-stream"

    def serialize(self, data: Any) -> Any:
        return data


class JSONLinesSerializer(SimpleBaseSerializer):
    DEFAULT = "application/jsonlines"

    def serialize(self, data: Any) -> Any:
        if hasattr(data, "read"):
            return data.read()
        return data if isinstance(data, str) else "\n".join(json.dumps(item) for item in data)


class LibSVMSerializer(SimpleBaseSerializer):
    """Text or a file that is in this format already."""

    DEFAULT = "text/libsvm"

    def serialize(self, data: Any) -> Any:
        if hasattr(data, "read"):
            return data.read()
        if isinstance(data, str):
            return data
        raise ValueError("a %s is no text in libsvm format" % type(data).__name__)


class SparseMatrixSerializer(SimpleBaseSerializer):
    DEFAULT = "application/x-npz"

    def serialize(self, data: Any) -> Any:
        import scipy.sparse  # type: ignore[import-not-found, import-untyped, unused-ignore]

        out = io.BytesIO()
        scipy.sparse.save_npz(out, data)
        return out.getvalue()


class DataSerializer(SimpleBaseSerializer):
    """Bytes as they are, those of a file, or of ``{"data": either}``."""

    DEFAULT = "file-path/raw-bytes"

    def serialize(self, data: Any) -> Any:
        if isinstance(data, dict) and "data" in data:
            data = data["data"]
        if isinstance(data, str):
            with open(data, "rb") as file:
                return file.read()
        if isinstance(data, bytes):
            return data
        raise ValueError("a %s is neither bytes nor a file's path" % type(data).__name__)


class StringSerializer(SimpleBaseSerializer):
    DEFAULT = "text/plain"

    def serialize(self, data: Any) -> Any:
        if isinstance(data, str):
            return data.encode("utf-8")
        raise ValueError("a %s is no text" % type(data).__name__)


class TorchTensorSerializer(SimpleBaseSerializer):
    """The tensor's array in .npy format."""

    DEFAULT = "tensor/pt"

    def serialize(self, data: Any) -> Any:
        return NumpySerializer().serialize(data.detach().cpu().numpy())


class BaseDeserializer(abc.ABC):
    """What an endpoint gave into values: ``deserialize(stream, content_type)`` and ``ACCEPT``."""

    @abc.abstractmethod
    def deserialize(self, stream: Any, content_type: Any) -> Any:
        """The value that the stream holds."""

    @property
    @abc.abstractmethod
    def ACCEPT(self) -> Any:
        """Media types."""


class SimpleBaseDeserializer(BaseDeserializer):
    DEFAULT: Union[str, Tuple[str, ...]] = "*/*"

    def __init__(self, accept: Union[str, Tuple[str, ...]] = "") -> None:
        self.accept = accept or self.DEFAULT

    @property
    def ACCEPT(self) -> Any:
        return (self.accept,) if isinstance(self.accept, str) else self.accept


class StringDeserializer(SimpleBaseDeserializer):
    DEFAULT = "application/json"

    def __init__(self, encoding: str = "UTF-8", accept: Union[str, Tuple[str, ...]] = "") -> None:
        super().__init__(accept)
        self.encoding = encoding

    def deserialize(self, stream: Any, content_type: Any) -> Any:
        return _read(stream).decode(self.encoding)


class BytesDeserializer(SimpleBaseDeserializer):
    def deserialize(self, stream: Any, content_type: Any) -> Any:
        return _read(stream)


class CSVDeserializer(SimpleBaseDeserializer):
    """A list of rows of text."""

    DEFAULT = "text/csv"

    def __init__(self, encoding: str = "utf-8", accept: Union[str, Tuple[str, ...]] = "") -> None:
        super().__init__(accept)
        self.encoding = encoding

    def deserialize(self, stream: Any, content_type: Any) -> List[List[str]]:
        return list(csv.reader(_read(stream).decode(self.encoding).splitlines()))


class StreamDeserializer(SimpleBaseDeserializer):
    def deserialize(self, stream: Any, content_type: Any) -> Any:
        return stream, content_type


class NumpyDeserializer(SimpleBaseDeserializer):
    """An array from .npy, CSV or JSON; what ``numpy.load`` makes of .npz."""

    DEFAULT = "application/x-npy"

    def __init__(self, dtype: Any = None, accept: Union[str, Tuple[str, ...]] = "", allow_pickle: bool = False) -> None:
        super().__init__(accept)
        self.dtype, self.allow_pickle = dtype, allow_pickle

    def deserialize(self, stream: Any, content_type: Any) -> Any:
        import numpy

        body = _read(stream)
        if content_type in ("application/x-npy", "application/x-npz"):
            return numpy.load(io.BytesIO(body), allow_pickle=self.allow_pickle)
        if content_type == "text/csv":
            return numpy.genfromtxt(io.StringIO(body.decode("utf-8")), delimiter=",", dtype=self.dtype)
        if content_type == "application/json":
            return numpy.array(json.loads(body), dtype=self.dtype)
        raise ValueError("no array can be read from content type %s" % content_type)


class JSONDeserializer(SimpleBaseDeserializer):
    DEFAULT = "application/json"

    def deserialize(self, stream: Any, content_type: Any) -> Any:
        return json.loads(_read(stream).decode("utf-8"))


class PandasDeserializer(SimpleBaseDeserializer):
    """A frame from CSV, whose first line names the columns as it does in the SDK, or from JSON by columns."""

    DEFAULT = ("text/csv", "application/json")

    def deserialize(self, stream: Any, content_type: Any) -> Any:
        import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

        readers: Dict[str, Any] = {"text/csv": pandas.read_csv, "application/json": pandas.read_json}
        if content_type not in readers:
            raise ValueError("no frame can be read from content type %s" % content_type)
        return readers[content_type](stream)


class JSONLinesDeserializer(SimpleBaseDeserializer):
    DEFAULT = "application/jsonlines"

    def deserialize(self, stream: Any, content_type: Any) -> Any:
        return [json.loads(line) for line in _read(stream).decode("utf-8").rstrip().split("\n")]


class TorchTensorDeserializer(SimpleBaseDeserializer):
    """A tensor from .npy."""

    DEFAULT = "tensor/pt"

    def deserialize(self, stream: Any, content_type: Any = "tensor/pt") -> Any:
        import torch  # type: ignore[import-not-found, unused-ignore]

        return torch.from_numpy(NumpyDeserializer().deserialize(stream, "application/x-npy"))


class DeserializerWrapper(BaseDeserializer):
    """A deserializer that reads its own first content type, whatever the caller says it is."""

    def __init__(self, deserializer: Any, accept: Any) -> None:
        self._deserializer, self._accept = deserializer, accept

    def deserialize(self, stream: Any, content_type: Any = None) -> Any:
        return self._deserializer.deserialize(stream, self._accept[0])

    @property
    def ACCEPT(self) -> Any:
        return self._accept[0]


class CustomPayloadTranslator(abc.ABC):
    """The user's own format: he writes the two abstract methods."""

    def __init__(self, content_type: str = "application/custom", accept_type: str = "application/custom") -> None:
        self._content_type, self._accept_type = content_type, accept_type

    @abc.abstractmethod
    def serialize_payload_to_bytes(self, payload: Any) -> bytes:
        """A value as bytes."""

    @abc.abstractmethod
    def deserialize_payload_from_stream(self, stream: IO[bytes]) -> Any:
        """The value that a stream of bytes holds."""

    def serialize(self, payload: Any, content_type: str = "") -> bytes:
        return self.serialize_payload_to_bytes(payload)

    def deserialize(self, stream: IO[bytes], content_type: str = "") -> Any:
        return self.deserialize_payload_from_stream(stream)

    @property
    def CONTENT_TYPE(self) -> str:
        return self._content_type

    @property
    def ACCEPT(self) -> str:
        return self._accept_type


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _read(stream: Any) -> Any:
    try:
        return stream.read()
    finally:
        stream.close()


SERIALIZERS = (
    BaseSerializer, SimpleBaseSerializer, CSVSerializer, NumpySerializer, JSONSerializer, IdentitySerializer, JSONLinesSerializer,
    LibSVMSerializer, SparseMatrixSerializer, DataSerializer, StringSerializer, TorchTensorSerializer,
)  # fmt: skip
DESERIALIZERS = (
    BaseDeserializer, SimpleBaseDeserializer, StringDeserializer, BytesDeserializer, CSVDeserializer, StreamDeserializer,
    NumpyDeserializer, JSONDeserializer, PandasDeserializer, JSONLinesDeserializer, TorchTensorDeserializer,
)  # fmt: skip

"""Channels and requests into matrices: csv, libsvm, parquet and recordio-protobuf, from files or from a pipe."""

import io
import os
import stat
import struct
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
import xgboost as xgb

from sagewright_container import recordio
from sagewright_container.errors import CustomerError

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio"
CONTENT_TYPES = {
    "csv": CSV, "text/csv": CSV, "libsvm": LIBSVM, "text/libsvm": LIBSVM, "text/x-libsvm": LIBSVM,
    "application/x-libsvm": LIBSVM, "parquet": PARQUET, "application/x-parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO, "recordio-protobuf": RECORDIO,
}  # fmt: skip


class Table(NamedTuple):
    """Rows as arrays. ``features`` is dense or a SciPy CSR matrix."""

    features: Any
    labels: Optional[Any]
    weights: Optional[Any]


def kind_of(content_type: Optional[str]) -> str:
    """The format that a content type names; libsvm when a channel names none.

    Raises:
        CustomerError: another format, or a CSV that has not one label.
    """
    name, *parameters = (part.strip() for part in (content_type or LIBSVM).lower().split(";"))
    if name not in CONTENT_TYPES:
        allowed = ", ".join(key for key in CONTENT_TYPES if "/" in key)
        raise CustomerError("Content type %s is not supported; it must be one of %s" % (content_type, allowed))
    if CONTENT_TYPES[name] == CSV:
        for parameter in parameters:
            key, _, value = (part.strip().strip('"') for part in parameter.partition("="))
            if key == "label_size" and value != "1":
                message = "%s is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
                raise CustomerError(message % content_type)
    return CONTENT_TYPES[name]


def files_of(folder: str) -> List[str]:
    """The data files under a channel's folder, in order; hidden ones and markers are left out."""
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(root, name) for name in sorted(names) if not name.startswith((".", "_"))]
    return [path for path in found if os.path.getsize(path)]


def present(folder: str) -> bool:
    """Whether a channel has data, as far as can be seen without reading it."""
    return is_pipe(folder) or bool(os.path.isdir(folder) and files_of(folder))


def load(folders: List[str], content_type: Optional[str], csv_weights: bool = False) -> "xgb.DMatrix":
    """One or more channels as one of XGBoost's matrices.

    Raises:
        CustomerError: there is no data, or it is not in the format that the channel's content type says.
    """
    name = " and ".join(os.path.basename(folder) for folder in folders)
    kind = kind_of(content_type)
    if csv_weights and kind != CSV:
        raise CustomerError("Hyperparameter csv_weights: only text/csv data has a weight column")
    paths: List[str] = []
    tables = []
    for folder in folders:
        if is_pipe(folder):
            tables += _of_pipe(folder, kind, content_type, csv_weights)
            continue
        found = files_of(folder) if os.path.isdir(folder) else []
        if not found:
            raise CustomerError("No data in the channel %s" % os.path.basename(folder))
        paths += found
    if kind == LIBSVM:
        return _libsvm(paths)
    for path in paths:
        tables.append(_told(path, content_type, lambda path=path: _READERS[kind](path, csv_weights)))  # type: ignore[misc]
    return matrix(_joined(tables, name))


def _told(name: str, content_type: Optional[str], read: Any) -> Any:
    """What ``read`` returns; its errors become the customer's."""
    try:
        return read()
    except (ValueError, OSError, KeyError, TypeError) as e:
        raise CustomerError("Failed to read %s as %s: %s" % (os.path.basename(name), content_type, e)) from e


def is_pipe(folder: str) -> bool:
    """Whether a channel comes by pipe: then there is no folder, but a FIFO for the first pass."""
    try:
        return not os.path.isdir(folder) and stat.S_ISFIFO(os.stat(folder + "_0").st_mode)
    except OSError:
        return False


def _of_pipe(folder: str, kind: str, content_type: Optional[str], csv_weights: bool) -> List[Table]:
    """The tables of a channel's first pass; there is no second, for the matrix keeps them."""
    name = os.path.basename(folder)
    if kind == LIBSVM:
        raise CustomerError("The channel %s: libsvm data cannot come in Pipe mode; use File or FastFile, or text/csv" % name)
    with open(folder + "_0", "rb", buffering=0) as raw, io.BufferedReader(raw, 1 << 20) as stream:
        head = stream.peek(8)[:8]
        if not head:
            raise CustomerError("No data in the channel %s" % name)
        if kind == CSV and not _framed(head):
            return [_told(name, content_type, lambda: read_csv(stream, csv_weights))]
        data = stream.read()
    return list(_told(name, content_type, lambda: [_of_object(kind, part, csv_weights) for part in _objects(kind, data)]))


def _framed(data: bytes) -> bool:
    return data[:4] == struct.pack("<I", recordio.MAGIC)


def _objects(kind: str, data: bytes) -> Iterator[bytes]:
    """The objects of a stream: each in a frame if the platform wrapped them, else one after another."""
    if _framed(data) and (kind != RECORDIO or _framed(data[8:12])):
        yield from recordio.frames(data)
    elif kind == PARQUET:
        yield from parquet_files(data)
    else:
        yield data


def _of_object(kind: str, data: bytes, csv_weights: bool) -> Table:
    if kind == RECORDIO:
        return table_of_records(data)
    if kind == CSV:
        return read_csv(io.StringIO(data.decode("utf-8", "replace")), csv_weights)
    return _parquet(io.BytesIO(data), csv_weights)


def parquet_files(data: bytes) -> Iterator[bytes]:
    """The parquet files of a stream of them. One ends where its footer has the length that it says.

    Raises:
        ValueError: there is something else in it.
    """
    start = 0
    while start < len(data):
        end = data.find(b"PAR1", start + 8)
        while end >= 0:
            length = struct.unpack_from("<I", data, end - 4)[0]
            if start + 4 + length + 4 <= end and data[end + 4 : end + 8] in (b"", b"PAR1"):
                break
            end = data.find(b"PAR1", end + 1)
        if end < 0 or data[start : start + 4] != b"PAR1":
            raise ValueError("no parquet file at byte %d of the stream" % start)
        yield data[start : end + 4]
        start = end + 4


def matrix(table: Table) -> "xgb.DMatrix":
    return xgb.DMatrix(table.features, label=table.labels, weight=table.weights)


def read_csv(path: Any, csv_weights: bool, labelled: bool = True) -> Table:
    """Numbers separated by commas (or tabs, semicolons, pipes, blanks): label first, then the weight if any."""
    import pandas as pd

    separator = _separator(path)
    try:
        frame = pd.read_csv(path, header=None, sep=separator, dtype=np.float32)
    except ValueError as e:
        raise ValueError("%s (CSV must have no header and only numbers)" % e) from None
    values = frame.to_numpy()
    if not labelled:
        return Table(values, None, None)
    start = 2 if csv_weights else 1
    if values.shape[1] <= start:
        raise ValueError("%d columns are too few: label first%s, then features" % (
            values.shape[1], ", then the weight" if csv_weights else ""))  # fmt: skip
    return Table(values[:, start:], values[:, 0], values[:, 1] if csv_weights else None)


def rows_of_csv(body: bytes) -> Any:
    """The rows of a request's many lines, as float32; an empty cell is NaN. Lines of blanks are left out.

    Raises:
        ValueError: there are other things than numbers, or rows of different lengths.
    """
    head = body[: body.find(b"\n") + 1]
    separator = next((mark for mark in ",\t;|" if mark.encode() in head), "")
    if separator:
        try:
            return _by_arrow(body, separator, head.count(separator.encode()) + 1)
        except ValueError:  # ArrowInvalid is one; the other reader takes more forms, and its words say what is wrong
            pass
    lines = "\n".join([line for line in body.decode("utf-8").splitlines() if line.strip()])
    return read_csv(io.StringIO(lines), False, labelled=False).features


def _by_arrow(body: bytes, separator: str, width: int) -> Any:
    """Twice as fast as pandas. One thread: there is a process for every core already."""
    import pyarrow as pa
    from pyarrow import csv

    table = csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(autogenerate_column_names=True, use_threads=False),
        parse_options=csv.ParseOptions(delimiter=separator),
        convert_options=csv.ConvertOptions(column_types={"f%d" % number: pa.float32() for number in range(width)}),
    )
    rows = np.empty((table.num_rows, table.num_columns), dtype=np.float32)
    for number, column in enumerate(table.columns):
        rows[:, number] = column.to_numpy()
    return rows


def _separator(path: Any) -> str:
    if isinstance(path, str):
        with open(path, encoding="utf-8", errors="replace") as file:
            line = file.readline()
    elif isinstance(path, io.BufferedReader):
        line = path.peek(1).split(b"\n")[0].decode("utf-8", "replace")
    else:
        line = path.readline()
        path.seek(0)
    for separator in (",", "\t", ";", "|"):
        if separator in line:
            return separator
    if ":" in line:
        raise ValueError("the first line looks like libsvm; set the channel's content type to text/libsvm")
    return r"\s+" if " " in line.strip() else ","


def _libsvm(paths: List[str]) -> "xgb.DMatrix":
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            line = file.readline()
        words = line.split()
        if (len(words) > 1 and ":" not in "".join(words[1:])) or (len(words) == 1 and "," in line):
            raise CustomerError(
                "%s is not libsvm data: its first line has no ':'. libsvm is the default; set the channel's "
                "ContentType, for instance text/csv" % os.path.basename(path)
            )
    # the parser takes a list separated by ';' and options after '?': links keep users' names out of it
    with tempfile.TemporaryDirectory() as folder:
        links = []
        for index, path in enumerate(paths):
            links.append(os.path.join(folder, "part-%05d" % index))
            os.symlink(os.path.abspath(path), links[-1])
        try:
            return xgb.DMatrix(";".join(links) + "?format=libsvm", silent=True)
        except (xgb.core.XGBoostError, ValueError) as e:
            raise CustomerError("Failed to read libsvm data: %s" % first_line(e)) from e


def parse_libsvm(text: str) -> Table:
    """Rows ``[label] index:value ...`` of a request, as a sparse matrix."""
    from scipy import sparse

    data: List[float] = []
    indices: List[int] = []
    starts = [0]
    for line in text.splitlines():
        if not line.strip():
            continue
        for word in line.split():
            index, colon, value = word.partition(":")
            if colon and index != "qid":
                indices.append(int(index))
                data.append(float(value))
        starts.append(len(indices))
    width = max(indices, default=-1) + 1
    shape = (len(starts) - 1, width)
    return Table(sparse.csr_matrix((np.asarray(data, np.float32), indices, starts), shape=shape), None, None)


def _parquet(path: Any, csv_weights: bool) -> Table:
    import pyarrow.parquet as pq

    values = pq.read_table(path).to_pandas().to_numpy(dtype=np.float32)
    if values.shape[1] < 2:
        raise ValueError("%d columns are too few: label first, then features" % values.shape[1])
    return Table(values[:, 1:], values[:, 0], None)


def _recordio(path: str, csv_weights: bool) -> Table:
    with open(path, "rb") as file:
        return table_of_records(file.read())


def table_of_records(data: bytes) -> Table:
    """RecordIO-protobuf bytes: features and label under the name ``values``.

    Raises:
        recordio.Malformed: (a ValueError) not such data.
    """
    rows: List[recordio.Tensor] = []
    labels: List[float] = []
    for record in recordio.loads(data):
        row = record.features.get("values")
        if not isinstance(row, recordio.Tensor):
            raise recordio.Malformed("record %d has no features under the name 'values'" % len(rows))
        rows.append(row)
        label = record.label.get("values")
        if isinstance(label, recordio.Tensor) and len(label.values):
            labels.append(label.values[0])
    if labels and len(labels) != len(rows):
        raise recordio.Malformed("%d of %d records have a label" % (len(labels), len(rows)))
    return Table(_stack(rows), np.asarray(labels, np.float32) if labels else None, None)


def _stack(rows: List[recordio.Tensor]) -> Any:
    if not any(row.keys is not None for row in rows):
        return np.asarray([np.asarray(row.values, np.float32) for row in rows])
    from scipy import sparse

    starts = np.cumsum([0] + [len(row.values) for row in rows])
    keys = np.concatenate([np.asarray(row.keys or [], np.int64) for row in rows])
    values = np.concatenate([np.asarray(row.values, np.float32) for row in rows])
    width = max([int(row.shape[0]) for row in rows if row.shape] + [int(keys.max(initial=-1)) + 1])
    return sparse.csr_matrix((values, keys, starts), shape=(len(rows), width))


def _joined(tables: List[Table], name: str) -> Table:
    if len(tables) == 1:
        (table,) = tables
    else:
        widths = sorted({table.features.shape[1] for table in tables})
        sparse_rows = any(not isinstance(table.features, np.ndarray) for table in tables)
        if len(widths) > 1 and not sparse_rows:
            raise CustomerError("The files of the channel %s differ in their number of columns: %s" % (name, widths))
        table = Table(_stacked([t.features for t in tables], sparse_rows), *_columns(tables))
    if table.labels is None:
        raise CustomerError("The data of the channel %s has no labels" % name)
    if np.isnan(table.labels).any():
        raise CustomerError("The data of the channel %s has rows without a label" % name)
    return table


def _stacked(parts: List[Any], sparse_rows: bool) -> Any:
    if not sparse_rows:
        return np.concatenate(parts)
    from scipy import sparse

    width = max(part.shape[1] for part in parts)
    wide = []
    for part in parts:
        part = sparse.csr_matrix(part)
        wide.append(sparse.csr_matrix((part.data, part.indices, part.indptr), shape=(part.shape[0], width)))
    return sparse.vstack(wide, format="csr")


def _columns(tables: List[Table]) -> Tuple[Optional[Any], Optional[Any]]:
    columns: Dict[str, Any] = {}
    for name in ("labels", "weights"):
        parts = [getattr(table, name) for table in tables]
        columns[name] = None if any(part is None for part in parts) else np.concatenate(parts)
    return columns["labels"], columns["weights"]


def first_line(error: BaseException) -> str:
    """XGBoost's message without the native stack trace that follows it."""
    # the oldest releases show the native message as the text of bytes
    lines = [line for line in str(error).replace("\\n", "\n").split("\n") if line.strip()]
    return lines[0].split("] ", 1)[-1] if lines else type(error).__name__


_READERS = {CSV: read_csv, PARQUET: _parquet, RECORDIO: _recordio}

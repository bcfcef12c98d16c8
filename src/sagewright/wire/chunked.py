"""The content coding aws-chunked: bodies in signed chunks, with checksums behind them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping

from .body_errors import bad_chunk, incomplete_body
from .checksums import Running, running
from .errors import ServiceError
from .http import WireFault
from .sigv4 import ChunkSigning

_LONGEST_LINE = 8192
_LONGEST_CHUNK = 2**33


def decoded_length(headers: Mapping[str, str]) -> int | None:
    """Bytes that the body has without its chunks' frames; None where it does not say."""
    text = headers.get("x-amz-decoded-content-length", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise WireFault("InvalidArgument", "x-amz-decoded-content-length must be a number of bytes", 400)
    return int(text)


class ChunkedDecoder:
    """aws-chunked → bytes, one read at a time; checks chunk signatures and trailing checksums.

    A signed chunk is checked when it is whole, so a reader may have seen its bytes before; it never sees the end.
    """

    def __init__(self, kind: str, signing: ChunkSigning | None, announced: str) -> None:
        self._signing = signing
        self._previous = signing.seed if signing else ""
        self._signed_trailer = signing is not None and kind.endswith("-TRAILER")
        self._rest = b""
        """The beginning of a line."""
        self._state = "head"
        self._left = 0
        self._digest = hashlib.sha256()
        self._signature = ""
        self._trailer_lines: list[bytes] = []
        self._trailer_signature = ""
        self.trailers: dict[str, str] = {}
        self._announced = [n.strip().lower() for n in announced.split(",") if n.strip()]
        self._sums: dict[str, Running] = {}
        for name in self._announced:
            if name.startswith("x-amz-checksum-"):
                found = running(name[15:])
                if found is None:
                    raise WireFault("InvalidRequest", f"The checksum algorithm of the trailer {name} is not supported", 400)
                self._sums[name] = found

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded bytes of another piece; one that lies within a chunk is handed on as it is. Raises ServiceError."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = 0
        while at < len(data):
            if self._state == "data":
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if self._signing is not None:
                    self._digest.update(piece)
                for checksum in self._sums.values():
                    checksum.update(piece)
                if self._left == 0:
                    self._state = "after"
                yield piece
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                if len(data) - at > _LONGEST_LINE:
                    raise bad_chunk("a line is too long")
                self._rest = data[at:]
                return
            self._take(data[at:end])
            at = end + 2

    def _take(self, line: bytes) -> None:
        if self._state == "head":
            self._head(line)
        elif self._state == "after":
            if line:
                raise bad_chunk("a chunk is longer than it says")
            self._check_chunk()
            self._state = "head"
        elif self._state == "trailer":
            self._trailer(line)
        elif line:
            raise bad_chunk("bytes follow the last chunk")

    def _head(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        try:
            self._left = int(size, 16)
        except ValueError:
            raise bad_chunk("a chunk has no size") from None
        if not 0 <= self._left <= _LONGEST_CHUNK:
            raise bad_chunk("a chunk has no sensible size")
        self._signature = extension.removeprefix(b"chunk-signature=").decode("ascii", "replace").strip()
        self._digest = hashlib.sha256()
        if self._left:
            self._state = "data"
        else:
            self._check_chunk()
            self._state = "trailer"

    def _check_chunk(self) -> None:
        if self._signing is None:
            return
        expected = self._signing.chunk(self._previous, self._digest.hexdigest())
        if not hmac.compare_digest(expected.encode(), self._signature.encode()):
            raise ServiceError("SignatureDoesNotMatch", "The signature of a chunk does not match the one we calculated.", 403)
        self._previous = self._signature

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._state = "done"
            return
        name, _, value = line.partition(b":")
        key, text = name.strip().lower().decode("latin-1"), value.strip().decode("latin-1")
        if key == "x-amz-trailer-signature":
            self._trailer_signature = text
            return
        if len(self.trailers) >= 32:
            raise bad_chunk("too many trailers")
        self._trailer_lines.append(f"{key}:{text}\n".encode("latin-1"))
        self.trailers[key] = text

    def finish(self) -> None:
        """At the end of the bytes: everything must have come and hold."""
        # Some clients leave out the last empty line when there is no trailer.
        if self._state not in {"done", "trailer"} or self._rest:
            raise incomplete_body()
        if self._signed_trailer and self._signing is not None:
            digest = hashlib.sha256(b"".join(self._trailer_lines)).hexdigest()
            expected = self._signing.trailer(self._previous, digest)
            if not hmac.compare_digest(expected.encode(), self._trailer_signature.encode()):
                raise ServiceError("SignatureDoesNotMatch", "The signature of the trailer does not match.", 403)
        for name in self._announced:
            if name not in self.trailers:
                raise ServiceError("MalformedTrailerError", f"The trailer {name} was announced and did not come.", 400)
        for name, checksum in self._sums.items():
            if not hmac.compare_digest(checksum.base64().encode(), self.trailers[name].encode()):
                algorithm = name[15:].upper()
                raise ServiceError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", 400)

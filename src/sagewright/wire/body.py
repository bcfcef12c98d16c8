"""Request bodies: streamed from the connection, decoded, and proven while they are read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import sys
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    MutableMapping,
    Sequence,
)
from typing import Any

from .answers import Direct, Peer
from .body_errors import incomplete_body, sha_mismatch, slow_body, too_large
from .chunked import ChunkedDecoder, decoded_length
from .errors import ServiceError
from .http import Request, WireFault
from .sigv4 import ChunkSigning

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

IDLE_SECONDS = 60.0
"""How long a client may leave its body unsent before the request is given up."""
_BATCH = 1 << 20


class Incoming:
    """The bytes of one request as they come off the connection, at most once."""

    def __init__(self, receive: Receive, declared: int | None, peer: Peer | None = None) -> None:
        self._receive = receive
        self._peer = peer
        self.declared = declared
        self.started = False
        self.finished = declared == 0
        """All bytes have been read: the connection can carry another request."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        self.started = True
        while not self.finished:
            try:
                if self._peer is not None and self._peer.ready():
                    message = await self._receive()  # it is here: a timer would cost more than the reading
                else:
                    async with asyncio.timeout(IDLE_SECONDS):
                        message = await self._receive()
            except TimeoutError:
                raise slow_body() from None
            if message["type"] == "http.disconnect":
                raise incomplete_body()
            data: bytes = message.get("body", b"")
            seen += len(data)
            self.finished = not message.get("more_body", False)
            if data:
                yield data
        if self.declared is not None and seen != self.declared:
            raise incomplete_body()

    def whole(self, limit: int) -> bytes | None:
        """Everything, if it is here and nothing of it has been read. Raises ServiceError as reading it would."""
        if self.finished or self.started or self._peer is None:
            return b"" if self.declared == 0 else None
        data = self._peer.whole()
        if data is None:
            return None
        self.started = self.finished = True
        if self.declared is not None and len(data) != self.declared:
            raise incomplete_body()
        if len(data) > limit:
            raise too_large(limit)
        return data

    def direct(self) -> Direct | None:
        """The whole body for a reader that brings its own memory; None where it has to be iterated."""
        direct = self._peer.direct() if self._peer is not None and not self.started else None
        self.started = self.started or direct is not None
        return direct

    async def drain(self, limit: int, seconds: float) -> None:
        """Read on for a moment, so that a client still sending can hear the answer; gives up quietly."""
        try:
            async with asyncio.timeout(seconds):
                async for data in self:
                    limit -= len(data)
                    if limit < 0:
                        return
        except (TimeoutError, ServiceError):
            return

    async def read(self, limit: int) -> bytes:
        """Everything. Raises ServiceError EntityTooLarge above ``limit`` bytes."""
        whole = self.whole(limit)
        if whole is not None:
            return whole
        pieces: list[bytes] = []
        size = 0
        async for data in self:
            size += len(data)
            if size > limit:
                raise too_large(limit)
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class StreamBody:
    """A ``Body``. Any fault raises before the end of the stream, so a reader that reached the end has what was sent."""

    def __init__(self, incoming: Incoming, request: Request, sha256: str, chunks: ChunkSigning | None) -> None:
        headers = request.headers
        said = headers.get("x-amz-content-sha256", "")
        encoding = headers.get("content-encoding", "").lower().replace(" ", "").split(",")
        self._incoming = incoming
        self._sha256 = sha256
        self._decoder: ChunkedDecoder | None = None
        self.length: int | None = incoming.declared
        self.trailers: Mapping[str, str] = {}
        if said.startswith("STREAMING-") or "aws-chunked" in encoding:
            self.length = decoded_length(headers)
            self._decoder = ChunkedDecoder(said, chunks, headers.get("x-amz-trailer", ""))
            self.trailers = self._decoder.trailers
        self._consumed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._consumed:
            raise RuntimeError("a request body can be read once")
        self._consumed = True
        pieces = self._proven() if self._sha256 else aiter(self._incoming)
        async for piece in pieces if self._decoder is None else self._decoded(self._decoder, pieces):
            yield piece

    async def _proven(self) -> AsyncIterator[bytes]:
        """The bytes as they were sent, which is what a signature covers."""
        digest = _Beside()
        async for data in self._incoming:
            await digest.update(data)
            yield data
        found = await digest.hexdigest()
        if not hmac.compare_digest(found, self._sha256):
            raise sha_mismatch(self._sha256, found)

    async def blocks(self, size: int) -> AsyncGenerator[Sequence[bytes | memoryview], None]:
        """As iteration, in blocks of ``size`` bytes or a little more, the last one shorter. A block's memory is written again
        when the next but one is asked for: with one block in work while the next comes in, nothing is copied."""
        direct = None if self._decoder is not None or self._consumed else self._incoming.direct()
        if direct is None:
            async for batch in batches(self, size):
                yield batch
            return
        self._consumed = True
        digest = hashlib.sha256() if self._sha256 else None
        try:
            memory = [memoryview(bytearray(min(size, direct.left))) for _ in range(2)]
            for n in itertools.count():
                if not direct.left:
                    break
                yield [await _fill(direct, memory[n % 2], digest)]
        finally:
            direct.close()
        self._incoming.finished = True
        if digest is not None and not hmac.compare_digest(digest.hexdigest(), self._sha256):
            raise sha_mismatch(self._sha256, digest.hexdigest())

    async def _decoded(self, decoder: ChunkedDecoder, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for data in pieces:
            for piece in decoder.feed(data):
                size += len(piece)
                yield piece
        decoder.finish()
        if self.length is not None and size != self.length:
            raise incomplete_body()

    async def read(self, limit: int | None = None) -> bytes:
        if limit is not None and self.length is not None and self.length > limit:
            raise too_large(limit)
        if self._decoder is None and not self._consumed:
            return await self._whole(limit)
        pieces: list[bytes] = []
        size = 0
        async for data in self:
            size += len(data)
            if limit is not None and size > limit:
                raise too_large(limit)
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _whole(self, limit: int | None) -> bytes:
        """A body as it was sent, all at once."""
        self._consumed = True
        data = await self._incoming.read(sys.maxsize if limit is None else limit)
        if self._sha256 and not hmac.compare_digest(found := hashlib.sha256(data).hexdigest(), self._sha256):
            raise sha_mismatch(self._sha256, found)
        return data


async def batches(pieces: AsyncIterable[bytes], size: int) -> AsyncGenerator[Sequence[bytes | memoryview], None]:
    """Pieces, gathered until they have ``size`` bytes; the rest at the end."""
    batch: list[bytes] = []
    there = 0
    async for data in pieces:
        batch.append(data)
        there += len(data)
        if there >= size:
            yield batch
            batch, there = [], 0
    if batch:
        yield batch


async def _fill(direct: Direct, memory: memoryview, digest: Any) -> memoryview:
    """Memory full of what comes next, or as much as is left; hashed on the way. Raises ServiceError."""
    done = 0
    job: asyncio.Future[int] | None = None
    try:
        while True:
            job = asyncio.get_running_loop().run_in_executor(None, _read, direct, memory[done:], digest)
            done += await asyncio.shield(job)  # to cancel it would not stop the thread, only make it look done
            if done == len(memory) or not direct.left:
                return memory[:done]
            async with asyncio.timeout(IDLE_SECONDS):
                await direct.wait()
    except EOFError:
        raise incomplete_body() from None
    except TimeoutError:
        raise slow_body() from None
    finally:
        if job is not None and not job.done():
            await asyncio.wait([job])  # the thread still writes to the memory


def _read(direct: Direct, memory: memoryview, digest: Any) -> int:
    count = direct.read_into(memory)
    if digest is not None and count:
        digest.update(memory[:count])
    return count


class _Beside:
    """SHA-256 of a stream: a large one is hashed in a thread, one batch while the next comes in."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._batch: list[bytes] = []
        self._size = 0
        self._job: asyncio.Future[None] | None = None

    async def update(self, data: bytes) -> None:
        self._batch.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            await self._settle()
            batch, self._batch, self._size = self._batch, [], 0
            self._job = asyncio.get_running_loop().run_in_executor(None, self._feed, batch)

    async def _settle(self) -> None:
        if self._job is not None:
            await self._job

    def _feed(self, batch: list[bytes]) -> None:
        for data in batch:
            self._hash.update(data)

    async def hexdigest(self) -> str:
        await self._settle()
        self._feed(self._batch)
        return self._hash.hexdigest()


class MemoryBody:
    """A ``Body`` of bytes that are there already: in-process calls, form uploads."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length: int | None = len(data)
        self.trailers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data

    def blocks(self, size: int) -> AsyncGenerator[Sequence[bytes | memoryview], None]:
        return batches(self, size)

    async def read(self, limit: int | None = None) -> bytes:
        if limit is not None and len(self._data) > limit:
            raise too_large(limit)
        return self._data


def gunzip(data: bytes, limit: int) -> bytes:
    """A gzip request body, once; at most ``limit`` bytes may come out. Raises WireFault."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        out = inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise WireFault("SerializationException", f"The request body is not valid gzip: {error}") from None
    if len(out) > limit:
        raise WireFault("RequestEntityTooLargeException", f"The request body is larger than {limit} bytes", 413,
                        query="RequestEntityTooLarge", xml="EntityTooLarge")
    if not inflate.eof:
        raise WireFault("SerializationException", "The gzip request body is cut off")
    if inflate.unused_data:
        raise WireFault("SerializationException", "Bytes follow the end of the gzip request body")
    return out

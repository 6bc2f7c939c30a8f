"""The SHA-256 of the bytes that a reader is given, and of no others."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

_CHUNK = 1 << 20
# Smaller pieces wait for each other: a hand-over to the thread costs as much as hashing some ten thousand bytes.
_FLUSH = 1 << 18


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of a stream from where it is to its end, in hexadecimal."""
    digest = hashlib.sha256()
    while content := stream.read(_CHUNK):
        digest.update(content)
    return digest.hexdigest()


class HashedStream:
    """A seekable binary stream whose bytes are hashed while they are read: each byte once, in the order of the file.

    Bytes that the reader passes over are hashed too, and what it reads again is not hashed again. The hash is computed
    in a thread of its own, one piece behind the reader.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = self._hashed = stream.tell()
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, all of them where it is negative."""
        return self._seen(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        """A line, or ``size`` bytes of it."""
        return self._seen(self._stream.readline(size))

    def seek(self, offset: int) -> int:
        """Go to a byte of the file, from 0."""
        self._at = self._stream.seek(offset)
        return self._at

    def tell(self) -> int:
        """The next byte that is read."""
        return self._at

    def digest(self) -> str:
        """Return the SHA-256 of the whole file in hexadecimal; what was not read is read now."""
        at = self._at
        self.seek(self._hashed)
        while self.read(_CHUNK):
            pass
        self.seek(at)
        self._flush()
        if self._running:
            self._running.result()
        return self._hash.hexdigest()

    def _seen(self, content: bytes) -> bytes:
        start, self._at = self._at, self._at + len(content)
        if start > self._hashed:
            self._pass_over(start)
        if self._at > self._hashed:
            new = content[self._hashed - start :]
            self._hashed = self._at
            self._waiting.append(new)
            self._waiting_size += len(new)
            if self._waiting_size >= _FLUSH:
                self._flush()
        return content

    def _pass_over(self, end: int) -> None:
        """Hash the bytes that the reader has left out, up to ``end``."""
        at = self._at
        self.seek(self._hashed)
        while self._hashed < end:
            self.read(min(_CHUNK, end - self._hashed))
        self.seek(at)

    def _flush(self) -> None:
        if self._running:
            self._running.result()
        pieces, self._waiting, self._waiting_size = self._waiting, [], 0
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._running = self._pool.submit(self._hash.update, content)

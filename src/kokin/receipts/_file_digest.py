"""SHA-256 of a receipt file: of a stream at once, or of a stream while it is read."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Self

_CHUNK = 1 << 20
# Bytes that are buffered before they are hashed: passing them to the thread costs as much as hashing some 10,000.
_BUFFER_SIZE = 1 << 18


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of a stream from its current position to its end, in hexadecimal."""
    digest = hashlib.sha256()
    while content := stream.read(_CHUNK):
        digest.update(content)
    return digest.hexdigest()


class HashedStream:
    """A seekable binary stream that hashes its bytes while they are read: each byte once, in the order of the file.

    So the digest is that of the bytes that were parsed. Bytes that the reader skips are read and hashed, too; bytes
    that it reads a second time are not hashed a second time. The hash is computed in a separate thread, one buffer
    behind the reader.

    Example: of the 10 bytes of a stream a reader reads [0, 4), seeks to 6 and reads [6, 10). The second read hashes
    [4, 6) first. If it then seeks to 2 and reads [2, 8), nothing is hashed, because [0, 10) is.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        #: Position of the reader, and the end of what is hashed or buffered.
        self._position = self._hashed_end = stream.tell()
        self._hash = hashlib.sha256()
        self._buffer: list[bytes] = []
        self._buffered_size = 0
        self._pool = ThreadPoolExecutor(1)
        self._update: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, or all bytes up to the end if it is negative."""
        return self._hash_new(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        """Return a line, or at most ``size`` bytes of it."""
        return self._hash_new(self._stream.readline(size))

    def seek(self, offset: int) -> int:
        """Move to a byte of the file, from 0."""
        self._position = self._stream.seek(offset)
        return self._position

    def tell(self) -> int:
        """Return the offset of the next byte that is read."""
        return self._position

    def digest(self) -> str:
        """Return the SHA-256 of the whole file in hexadecimal, after reading the rest of the stream."""
        position = self._position
        self.seek(self._hashed_end)
        while self.read(_CHUNK):
            pass
        self.seek(position)
        self._flush()
        if self._update:
            self._update.result()
        return self._hash.hexdigest()

    def _hash_new(self, content: bytes) -> bytes:
        """Hash the part of the bytes just read that is not hashed yet, and what was skipped before it."""
        start, self._position = self._position, self._position + len(content)
        if start > self._hashed_end:
            self._hash_skipped(start)
        if self._position > self._hashed_end:
            new = content[self._hashed_end - start :]
            self._hashed_end = self._position
            self._buffer.append(new)
            self._buffered_size += len(new)
            if self._buffered_size >= _BUFFER_SIZE:
                self._flush()
        return content

    def _hash_skipped(self, end: int) -> None:
        """Hash the bytes that the reader has skipped, up to ``end``."""
        position = self._position
        self.seek(self._hashed_end)
        while self._hashed_end < end:
            self.read(min(_CHUNK, end - self._hashed_end))
        self.seek(position)

    def _flush(self) -> None:
        if self._update:
            self._update.result()
        content, self._buffer, self._buffered_size = b"".join(self._buffer), [], 0
        self._update = self._pool.submit(self._hash.update, content)

"""The streams of an .xz file, one behind the other."""

from __future__ import annotations

import io
import lzma
from typing import Any, BinaryIO

_BLOCK = 1 << 16
_PADDING = 4  # zero bytes between and behind streams come in fours (the .xz format, section 2.2)


class XzStreams(io.RawIOBase):
    """What `lzma.open` reads, but it ends in silence before a stream that begins broken or that stands behind padding.

    Reading raises EOFError where the file breaks off and LZMAError where it is broken.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream, self._rest = file, lzma.LZMADecompressor(), b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of the buffer; 0 at the end of the last stream."""
        while not self._stream.eof or self._next():
            packed, self._rest = self._rest or self._more(), b""
            if data := self._stream.decompress(packed, len(buffer)):
                buffer[: len(data)] = data
                return len(data)
        return 0

    def _more(self) -> bytes:
        """What the stream needs to go on."""
        if not self._stream.needs_input:
            return b""
        if packed := self._file.read(_BLOCK):
            return packed
        raise EOFError("compressed file ended before the end-of-stream marker was reached")

    def _next(self) -> bool:
        """Begin the next stream; false where there is none."""
        rest, zeros = self._stream.unused_data, 0
        while not (begin := rest.lstrip(b"\0")):
            zeros += len(rest)
            if not (rest := self._file.read(_BLOCK)):
                break
        zeros += len(rest) - len(begin)
        if zeros % _PADDING:
            raise lzma.LZMAError("zero bytes behind a stream that are not in fours")
        if begin:
            self._stream, self._rest = lzma.LZMADecompressor(lzma.FORMAT_XZ), begin
        return bool(begin)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

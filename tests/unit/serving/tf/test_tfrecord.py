"""TFRecord files and their checksums."""

from __future__ import annotations

import random

import pytest

from serving.tf.status import Code, ServingError
from serving.tf.tfrecord import crc32c, record, records


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0x00000000),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_checksums_of_rfc_3720(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


@pytest.mark.parametrize("length", [63, 64, 65, 80, 81, 99, 100, 1000, 5000])
def test_long_data_has_the_checksum_that_single_bits_give(length: int) -> None:
    data = random.Random(length).randbytes(length)
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    assert crc32c(data) == remainder ^ 0xFFFFFFFF


def test_records_come_as_they_were_written() -> None:
    as_tensorflow_writes_it = "0300000000000000b099490e6f6e6501405508"
    assert record(b"one").hex() == as_tensorflow_writes_it
    written = [b"", b"one", b"two" * 1000]
    assert list(records(b"".join(map(record, written)))) == written
    assert list(records(b"")) == []


@pytest.mark.parametrize("cut", [1, 5, 11, 14, 18])
def test_a_truncated_record_is_refused(cut: int) -> None:
    with pytest.raises(ServingError, match="truncated record at 19") as caught:
        list(records(record(b"one") + record(b"two")[:cut]))
    assert caught.value.code is Code.DATA_LOSS


@pytest.mark.parametrize(
    ("flipped", "at"), [(0, 0), (7, 0), (9, 0), (12, 12), (14, 12), (15, 12), (18, 12)]
)
def test_a_record_with_a_flipped_bit_is_refused(flipped: int, at: int) -> None:
    data = bytearray(record(b"one"))
    data[flipped] ^= 4
    with pytest.raises(ServingError, match=f"corrupted record at {at}. Please verify") as caught:
        list(records(bytes(data)))
    assert caught.value.code is Code.DATA_LOSS

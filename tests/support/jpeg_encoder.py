"""A small baseline JPEG encoder, for layouts of components that Pillow does not write."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.jpeg_bytes import adobe_marker, joined, segments

Blocks = NDArray[np.int64]
"""Quantized coefficients in zigzag order, [rows of blocks, blocks in a row, 64]."""

_TABLES, _HUFFMAN, _FRAME = 0xDB, 0xC4, 0xC0
_ZIGZAG = [
    8 * row + diagonal - row
    for diagonal in range(15)
    for row in sorted(range(8), reverse=diagonal % 2 == 0)
    if 0 <= diagonal - row < 8
]


@dataclass(frozen=True)
class _Component:
    number: int
    horizontal: int
    vertical: int
    blocks: Blocks
    width: int
    height: int
    """In blocks, without those that only fill up the last unit."""


def encode_sampled(
    image: Image.Image,
    sampling: Sequence[tuple[int, int]],
    *,
    like: bytes,
    interleaved: bool = True,
) -> bytes:
    """Return the picture as YCbCr JPEG whose components have these sampling factors.

    The factors are horizontal and vertical, one pair for each of Y, Cb and Cr. Tables are
    taken from the JPEG file `like`. Without `interleaved` each component has a scan of its own.
    """
    parts, _ = segments(like)
    tables = b"".join(body for marker, body in parts if marker == _TABLES)
    quantization = np.frombuffer(tables[1:65], np.uint8).astype(np.int64)
    codes = _huffman_codes(body for marker, body in parts if marker == _HUFFMAN)
    components = list(_components(image, sampling, quantization))
    frame = struct.pack(">BHHB", 8, image.height, image.width, len(components)) + b"".join(
        bytes((one.number, one.horizontal << 4 | one.vertical, 0)) for one in components
    )
    kept = [(marker, body) for marker, body in parts if marker != _FRAME]
    scans = [components] if interleaved else [[one] for one in components]
    return joined(
        [*kept, (_FRAME, frame)], b"".join(_scan(scan, codes) for scan in scans) + b"\xff\xd9"
    )


def encode_lossless(image: Image.Image, *, like: bytes) -> bytes:
    """Return the picture as lossless JPEG, which scanners of medical films write.

    Each sample is the difference from the one before it, in the first column from the one
    above. The Huffman table is taken from the JPEG file `like`.
    """
    parts, _ = segments(like)
    huffman = [(marker, body) for marker, body in parts if marker == _HUFFMAN]
    codes = _huffman_codes(body for _, body in huffman)[0x00]
    pixels = np.asarray(image.convert("RGB")).astype(np.int64)
    before = np.roll(pixels, 1, axis=1)
    before[1:, 0] = pixels[:-1, 0]
    before[0, 0] = 128
    differences = (pixels - before).reshape(-1).tolist()
    text = "".join(codes[value.bit_length()] + _value_bits(value) for value in differences)
    frame = struct.pack(">BHHB", 8, image.height, image.width, 3)
    frame += b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    head = [(0xEE, adobe_marker(transform=0)), *huffman, (0xC3, frame)]
    return joined(head, _scan_of(bytes((1, 0, 2, 0, 3, 0)), (1, 0, 0), text) + b"\xff\xd9")


def _components(
    image: Image.Image, sampling: Sequence[tuple[int, int]], quantization: Blocks
) -> Iterator[_Component]:
    widest = max(horizontal for horizontal, _ in sampling)
    highest = max(vertical for _, vertical in sampling)
    columns, rows = math.ceil(image.width / (8 * widest)), math.ceil(image.height / (8 * highest))
    around = ((0, rows * highest * 8 - image.height), (0, columns * widest * 8 - image.width))
    planes = [np.asarray(plane, np.float64) for plane in image.convert("YCbCr").split()]
    for number, (plane, (horizontal, vertical)) in enumerate(zip(planes, sampling, strict=True)):
        down, across = highest // vertical, widest // horizontal
        padded = np.pad(plane, around, mode="edge")
        height, width = padded.shape
        small = padded.reshape(height // down, down, width // across, across).mean(axis=(1, 3))
        yield _Component(
            number + 1,
            horizontal,
            vertical,
            _transformed(small, quantization),
            math.ceil(math.ceil(image.width / across) / 8),
            math.ceil(math.ceil(image.height / down) / 8),
        )


def _transformed(plane: NDArray[np.float64], quantization: Blocks) -> Blocks:
    rows, columns = (side // 8 for side in plane.shape)
    squares = plane.reshape(rows, 8, columns, 8).swapaxes(1, 2) - 128
    k, n = np.arange(8)[:, None], np.arange(8)
    cosines = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    cosines[0] /= np.sqrt(2)
    coefficients = (cosines @ squares @ cosines.T).reshape(rows, columns, 64)[..., _ZIGZAG]
    return np.rint(coefficients / quantization).astype(np.int64)


def _scan(components: list[_Component], codes: dict[int, dict[int, str]]) -> bytes:
    previous = dict.fromkeys((one.number for one in components), 0)
    bits = []
    for component, block in _in_order(components):
        bits.append(_block_bits(block, block[0] - previous[component.number], codes))
        previous[component.number] = block[0]
    tables = b"".join(bytes((one.number, 0)) for one in components)
    return _scan_of(tables, (0, 63, 0), "".join(bits))


def _scan_of(tables: bytes, parameters: tuple[int, int, int], bits: str) -> bytes:
    """Return a scan; `tables` names each component and its Huffman tables in two bytes."""
    header = bytes((len(tables) // 2,)) + tables + bytes(parameters)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"\xff\xda" + struct.pack(">H", len(header) + 2) + header + data


def _in_order(components: list[_Component]) -> Iterator[tuple[_Component, list[int]]]:
    if len(components) == 1:
        (one,) = components
        for row in one.blocks[: one.height, : one.width].tolist():
            yield from ((one, block) for block in row)
        return
    first = components[0]
    rows = first.blocks.shape[0] // first.vertical
    columns = first.blocks.shape[1] // first.horizontal
    for unit in range(rows * columns):
        row, column = divmod(unit, columns)
        for one in components:
            down, across = row * one.vertical, column * one.horizontal
            square = one.blocks[down : down + one.vertical, across : across + one.horizontal]
            yield from ((one, block) for block in square.reshape(-1, 64).tolist())


def _block_bits(block: list[int], difference: int, codes: dict[int, dict[int, str]]) -> str:
    direct, alternating = codes[0x00], codes[0x10]
    found = [direct[difference.bit_length()], _value_bits(difference)]
    zeros = 0
    for value in block[1:]:
        if not value:
            zeros += 1
            continue
        found += [alternating[0xF0]] * (zeros // 16)
        found += [alternating[zeros % 16 << 4 | value.bit_length()], _value_bits(value)]
        zeros = 0
    return "".join(found) + (alternating[0] if zeros else "")


def _value_bits(value: int) -> str:
    length = value.bit_length()
    return format(value if value > 0 else value + (1 << length) - 1, f"0{length}b") if value else ""


def _huffman_codes(bodies: Iterable[bytes]) -> dict[int, dict[int, str]]:
    """Return the code of each symbol, by class and number of the table."""
    found: dict[int, dict[int, str]] = {}
    for body in bodies:
        while body:
            counts, symbols = body[1:17], iter(body[17:])
            table = found.setdefault(body[0], {})
            code = 0
            for length, count in enumerate(counts, 1):
                for _ in range(count):
                    table[next(symbols)] = format(code, f"0{length}b")
                    code += 1
                code <<= 1
            body = body[17 + sum(counts) :]
    return found

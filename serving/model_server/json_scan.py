"""What a JSON document would take once it is parsed, found out without parsing it.

Three bytes of JSON can be an object that takes hundreds. Parsing cannot be interrupted, and
holds up the whole process meanwhile; this looks at the brackets and commas alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.model_server.limits import RequestLimits
from serving.tf.status import Code, ServingError, invalid
from serving.tf.tensors import Array

_PIECE_BYTES = 1 << 18
_LIST_BYTES, _OBJECT_BYTES, _ITEM_BYTES = 112, 256, 40
"""Memory of a short list, of a short object, and of a number in a list."""
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_LIST, _LIST_END, _OBJECT, _OBJECT_END = b"[]{}"
_TWO_BYTES_FROM, _FOUR_BYTES_FROM = 0xC4, 0xF0
"""First bytes, in UTF-8, of characters that make a text take so much for each character."""


def check_json(body: bytes, limits: RequestLimits) -> int:
    """Return about how many bytes the parsed document takes, its text included.

    Raises ServingError (INVALID_ARGUMENT, RESOURCE_EXHAUSTED) if it has more values, or is
    nested more deeply, than is allowed.
    """
    lists, objects = _count(body, _LIST), _count(body, _OBJECT)
    values, in_strings = lists + objects + _count(body, _COMMA), len(body)
    # With no more brackets than levels it cannot be too deep, whatever stands in strings.
    if _exceeds(lists + objects, limits.max_json_depth):
        # Some of these may be characters in strings.
        found = _Scan(limits.max_json_depth)
        found.read(body)
        lists, objects, in_strings = found.lists, found.objects, found.in_strings
        values = lists + objects + found.commas
    elif _exceeds(values, limits.max_json_values):
        found = _Scan(None)
        found.read(body)
        values, in_strings = lists + objects + found.commas, found.in_strings
    if _exceeds(values, limits.max_json_values):
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"The request has {values} JSON values, and may have at most "
            f"{limits.max_json_values}. Send it in smaller parts, or over gRPC.",
        )
    width = _bytes_a_character(body)
    # Looking for the backslash alone is a hundred times as fast.
    is_wide = width > 1 or (b"\\" in body and rb"\u" in body)
    in_text = 4 if is_wide else 1
    structure = lists * _LIST_BYTES + objects * _OBJECT_BYTES + values * _ITEM_BYTES
    return len(body) * width + in_strings * in_text + structure


def _count(body: bytes, character: int) -> int:
    # `bytes.count` takes six times as long, and nothing else goes on meanwhile.
    whole = np.frombuffer(body, np.uint8)
    pieces = (whole[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))
    return sum(int(np.count_nonzero(piece == character)) for piece in pieces)


def _exceeds(count: int, limit: int | None) -> bool:
    return limit is not None and count > limit


def _bytes_a_character(body: bytes) -> int:
    """Return what each character of the text takes: as much as the widest one."""
    if body.isascii():
        return 1
    largest = int(np.frombuffer(body, np.uint8).max())
    return 4 if largest >= _FOUR_BYTES_FROM else 2 if largest >= _TWO_BYTES_FROM else 1


class _Scan:
    """Counts what is outside of strings."""

    def __init__(self, max_depth: int | None) -> None:
        self._max_depth = max_depth
        self._is_in_string = self._is_escaped = False
        self._depth = 0
        self.lists = self.objects = self.commas = self.in_strings = 0

    def read(self, body: bytes) -> None:
        """Read a whole document; raises ServingError (INVALID_ARGUMENT) if it is too deep."""
        for at in range(0, len(body), _PIECE_BYTES):
            self._read_piece(np.frombuffer(body, np.uint8)[at : at + _PIECE_BYTES])

    def _read_piece(self, piece: Array) -> None:
        quotes = (piece == _QUOTE) & ~self._escaped(piece)
        # In a string is what stands after an odd number of quotes.
        is_in_string = (np.cumsum(quotes, dtype=np.int32) + self._is_in_string) % 2 == 1
        self._is_in_string = bool(is_in_string[-1])
        self.in_strings += int(np.count_nonzero(is_in_string))
        lists = (piece == _LIST) & ~is_in_string
        objects = (piece == _OBJECT) & ~is_in_string
        ends = ((piece == _LIST_END) | (piece == _OBJECT_END)) & ~is_in_string
        self.lists += int(np.count_nonzero(lists))
        self.objects += int(np.count_nonzero(objects))
        self.commas += int(np.count_nonzero((piece == _COMMA) & ~is_in_string))
        steps = lists.astype(np.int8) + objects - ends.astype(np.int8)
        depths = np.cumsum(steps, dtype=np.int32) + self._depth
        self._depth = int(depths[-1])
        if _exceeds(int(depths.max()), self._max_depth):
            raise invalid("JSON Parse error: The document is nested too deeply.")

    def _escaped(self, piece: Array) -> Any:
        """Say of each byte whether an odd number of backslashes stands before it."""
        slashes = piece == _BACKSLASH
        if not (self._is_escaped or slashes.any()):
            return np.False_
        places = np.arange(len(piece), dtype=np.int32)
        # The run of backslashes that the piece before ended with goes on in this one.
        others = np.where(slashes, -2 if self._is_escaped else -1, places)
        # As far back as the last byte that is no backslash, so many backslashes stand in a row.
        in_row = places - np.maximum.accumulate(others)
        escaped = np.empty(len(piece), np.bool_)
        escaped[0] = self._is_escaped
        escaped[1:] = in_row[:-1] % 2 == 1
        self._is_escaped = bool(in_row[-1] % 2)
        return escaped

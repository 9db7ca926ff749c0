"""What JSON documents hold, found out before they are parsed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from serving.model_server import json_scan
from serving.model_server.json_scan import check_json
from serving.model_server.limits import RequestLimits
from serving.tf.status import Code, ServingError

LIMITS = RequestLimits(max_json_values=1000, max_json_depth=20)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 600 + b"[]]",
        b"[" + b"{}," * 600 + b"{}]",
        b"[" + b"1," * 1001 + b"1]",
        b"{" + b'"a":0,' * 1001 + b'"a":0}',
    ],
    ids=["lists", "objects", "numbers", "the same key"],
)
def test_more_values_than_allowed(body: bytes) -> None:
    with pytest.raises(ServingError, match="JSON values") as caught:
        check_json(body, LIMITS)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("kind", [b"[]", b'{"a":}'], ids=["lists", "objects"])
def test_json_nested_too_deeply_is_refused(kind: bytes) -> None:
    start, end = kind[:-1], kind[-1:]
    check_json(start * 20 + b"0" + end * 20, LIMITS)
    with pytest.raises(ServingError, match="nested too deeply"):
        check_json(start * 21 + b"0" + end * 21, LIMITS)


@pytest.mark.parametrize(
    "text",
    ["[{" * 2000, "," * 2000, '"[' * 2000, "\\" * 2000 + '"[{,' * 999, "x\\" * 1001],
)
def test_what_is_in_strings_does_not_count(text: str) -> None:
    body = json.dumps({"instances": [text, [1, text]]}).encode()
    assert check_json(body, LIMITS) > 0


def test_without_limits_any_depth_passes() -> None:
    unlimited = replace(LIMITS, max_json_values=None, max_json_depth=None)
    assert check_json(b"[" * 5000, unlimited) > 5000


def test_texts_take_what_their_widest_character_does() -> None:
    narrow = check_json(b'"' + b"x" * 10_000 + b'"', LIMITS)
    wide = check_json('"{}\U0001f600"'.format("x" * 10_000).encode(), LIMITS)
    escaped = check_json(b'"' + b"x" * 10_000 + rb'\ud83d\ude00"', LIMITS)
    assert wide > 3.9 * narrow
    assert escaped > 2.4 * narrow


def _value(random_: random.Random, depth: int) -> Any:
    match random_.randrange(6 if depth else 3):
        case 0:
            return random_.random()
        case 1:
            return "".join(random_.choices('[]{},"\\x\u00e9', k=random_.randrange(9)))
        case 2:
            return "\\" * random_.randrange(6)
        case 3:
            return {str(n): _value(random_, depth - 1) for n in range(random_.randrange(4))}
        case _:
            return [_value(random_, depth - 1) for _ in range(random_.randrange(5))]


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def test_finds_the_depth_of_any_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces of any size: a string or a backslash may be the last of one."""
    random_ = random.Random(1)
    for _ in range(500):
        document = [_value(random_, 5)]
        body = json.dumps(document).encode()
        monkeypatch.setattr(json_scan, "_PIECE_BYTES", random_.randrange(1, 9))
        depth = _depth(document)
        check_json(body, replace(LIMITS, max_json_depth=depth))
        with pytest.raises(ServingError, match="nested too deeply"):
            check_json(body, replace(LIMITS, max_json_depth=depth - 1))

"""Photos that a program sends as base64 in JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.http_errors import HttpError

MAX_JSON_BYTES = 16 * 2**20
"""Of JSON with photos in it: larger photos are sent as they are."""
_MAX_MARKS = 4096
"""Commas and opening brackets. Each may become an object of its own, which takes far more memory
than its byte; base64 has none of them."""
_HOW = 'Send {"image": "BASE64"}, or {"images": ["BASE64", …]} for several.'


@dataclass(frozen=True)
class JsonPhotos:
    photos: list[bytes]
    fields: Mapping[str, str]
    """`model`, `version` and `top`, as they would stand in a query."""
    is_list: bool


def read_json_photos(body: bytes, max_photos: int) -> JsonPhotos:
    """Return the photos in the JSON object `body`; raises HttpError.

    Each is base64, or a data URL as browsers make them.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_MARKS:
        raise HttpError(400, "The JSON has too many parts.", _HOW)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, "The body is declared as JSON and is not.", _HOW) from error
    if not isinstance(content, dict) or ("image" in content) == ("images" in content):
        raise HttpError(400, "The JSON has no photo in it.", _HOW)
    is_list = "images" in content
    images = content["images"] if is_list else [content["image"]]
    if not isinstance(images, list) or not images:
        raise HttpError(400, "The JSON has no photo in it.", _HOW)
    if len(images) > max_photos:
        raise HttpError(
            400,
            f"The request has more than {max_photos} photos in it.",
            "Send them in several requests.",
        )
    fields = {name: _text(name, content[name]) for name in _FIELDS if content.get(name) is not None}
    return JsonPhotos([_photo(image) for image in images], fields, is_list)


_FIELDS = ("model", "version", "top")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise HttpError(400, f"The field {name} is neither a text nor a number.", _HOW)
    try:
        return str(value)
    except ValueError as error:  # a number of thousands of digits
        raise HttpError(400, f"The field {name} is too large.", _HOW) from error


def _photo(image: Any) -> bytes:
    if isinstance(image, str):
        text = image.partition(",")[2] if image.startswith("data:") else image
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise HttpError(400, "A photo in the JSON is not base64.", _HOW)

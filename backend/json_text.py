"""Answers that are JSON already: to check them once more would take longer than making them."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import Response


def _as_object(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; `asdict` would copy everything in them as well."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    separators=(",", ":"),
    default=_as_object,
    # To look for answers that contain themselves takes a fifth of the time; these are trees.
    check_circular=False,
).encode


def json_response(content: Any) -> Response:
    """Return the answer with `content`, in which dataclasses are objects.

    Raises ValueError for what JSON has no numbers for.
    """
    text = _encode(content)
    # Half a character, which names may have, can only be said in ASCII.
    try:
        body = text.encode()
    except UnicodeEncodeError:
        body = json.dumps(content, allow_nan=False, default=_as_object).encode()
    return Response(body, media_type="application/json")

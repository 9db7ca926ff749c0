"""What requests that bring a file may carry, as OpenAPI says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BINARY = {"type": "string", "format": "binary"}
PHOTO = {**BINARY, "description": "A whole image file."}


def file_body(file: Mapping[str, Any], fields: Mapping[str, Any], *kinds: str) -> dict[str, Any]:
    """Return the body that is `file`, or a form with it in the field `file` and `fields`.

    `kinds` are the media types of a body that is the file.
    """
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, **fields},
    }
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    for kind in kinds:
        content[kind] = {"schema": BINARY}
    return {"required": True, "content": content}


def parameters(schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return optional parameters of the query, which a route reads by itself."""
    return [
        {
            "in": "query",
            "name": name,
            "required": False,
            "schema": {key: value for key, value in schema.items() if key != "description"},
            "description": schema.get("description", ""),
        }
        for name, schema in schemas.items()
    ]

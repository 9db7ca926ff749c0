"""What a request to POST /classify may carry, as OpenAPI says it."""

from __future__ import annotations

from typing import Any

from backend.photos.json_photos import MAX_JSON_BYTES
from backend.routes.upload_schema import BINARY, file_body

_GREY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAA"
    "DklEQVR4nGNogAIGyhgAgIQgAQ2AJGEAAAAASUVORK5CYII="
)
"""8 by 8 pixels, in base64."""
_FIELDS = {
    "model": {"type": "string", "description": "As in the query."},
    "version": {"type": "integer", "minimum": 1, "description": "As in the query."},
    "top": {"type": "integer", "minimum": 1, "description": "As in the query."},
}
_IMAGE = {"type": "string", "contentEncoding": "base64", "description": "A whole image file."}

_FILES = {
    "type": "array",
    "minItems": 1,
    "items": BINARY,
    "description": "A whole image file; may come more than once.",
}
_BODY = file_body(_FILES, _FIELDS, "image/*", "application/octet-stream")
_BODY["content"]["application/json"] = {
    "schema": {
        "type": "object",
        "description": f"At most {MAX_JSON_BYTES // 2**20} MiB in all.",
        "properties": {
            "image": _IMAGE,
            "images": {"type": "array", "minItems": 1, "items": _IMAGE},
            **_FIELDS,
        },
        "oneOf": [{"required": ["image"]}, {"required": ["images"]}],
    },
    "example": {"image": _GREY_PNG, "top": 3},
}

CLASSIFY_EXTRA: dict[str, Any] = {"requestBody": _BODY}

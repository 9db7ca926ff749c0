"""The description of the HTTP service, as tools read it: what FastAPI cannot know is added here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI

from backend import contract_examples
from backend.contract import MAX_AFTER_LABELS, MAX_QUIET_SECONDS, MIN_QUIET_SECONDS
from serving.http.problem import PROBLEM_MEDIA_TYPE
from serving.version import VERSION

_PROBLEM = {
    "description": "An error: what happened, and what to do about it.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}
_ERRORS = {"4XX": _PROBLEM, "5XX": _PROBLEM}
_SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "What `servery token` prints; the person's own programs need none.",
    },
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "Any name, and the token as the password.",
    },
}
_ABSOLUTE_PATH = {"pattern": "^/"}
_LIMITS: dict[str, dict[str, dict[str, Any]]] = {
    "BatchLabel": {
        "images": {
            "minItems": 1,
            "maxItems": 10_000,
            "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
    },
    "ImageSettings": {"keep": {"minimum": 1}},
    "ModelChange": {"keep_versions": {"minimum": 1}},
    "NewClassName": {"name": {"minLength": 1, "maxLength": 100}},
    "PhotoFolderPath": {"folder": _ABSOLUTE_PATH},
    "NewLabelExport": {"target": _ABSOLUTE_PATH},
    "NewLabelImport": {"source": _ABSOLUTE_PATH},
    "Explanation": {
        "importances": {
            "description": "[rows][columns] of equal parts of the photo, from the upper left. Above"
            " 0, a part speaks for the class, below 0 against it, as a share of `scale`.",
            "minItems": 2,
            "items": {
                "type": "array",
                "minItems": 2,
                "items": {"type": "number", "minimum": -1, "maximum": 1},
            },
        },
        "scale": {
            "description": "By how much the log-odds of the class, ln(score / (1 - score)), fall"
            " when a part of importance 1 is covered."
        },
        "score": {
            "description": "Of the whole photo, 0 to 1. It was made smaller for this, so it may"
            " differ from the score in the answer."
        },
        "lowest": {"description": "With the part covered that takes the most from it."},
    },
    "TrainingSettings": {
        "after_labels": {"minimum": 1, "maximum": MAX_AFTER_LABELS},
        "quiet_seconds": {"minimum": MIN_QUIET_SECONDS, "maximum": MAX_QUIET_SECONDS},
    },
    "NewWebhook": {"url": {"pattern": "^https?://", "maxLength": 2000}, "topics": {"minItems": 1}},
}
"""What the contract's types cannot say: they are light to import. Descriptions are of units."""
_OPEN_TO_ALL = "/healthz"
_METHODS = ("get", "put", "post", "delete", "patch")


def describe(app: FastAPI) -> None:
    """Have `app` answer GET /openapi.json with the whole description."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    # How FastAPI documents that a schema is extended; mypy allows no assignment to a method.
    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    schema["info"]["version"] = VERSION
    components = schema["components"]
    schemas = components["schemas"]
    # FastAPI's own form of errors, which is not ours.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = _SECURITY_SCHEMES
    schema["security"] = [{}, {"token": []}, {"password": []}]
    for path, operation in _operations(schema):
        responses = operation["responses"]
        responses.pop("422", None)
        responses.update(_ERRORS)
        if path == _OPEN_TO_ALL:
            operation["security"] = []
    for name, fields in _LIMITS.items():
        for field, limits in fields.items():
            schemas[name]["properties"][field].update(limits)
    for example in contract_examples.EXAMPLES:
        schemas[type(example).__name__]["example"] = asdict(example)
    return schema


def allowed_methods(app: FastAPI, path: str) -> str:
    """Return the methods that the description has for a path, as the header `Allow` lists them.

    Starlette says those of one route alone, and each method of a path has a route of its own. A
    path that is described by itself, such as `/models/import`, has those methods alone.
    """
    found: set[str] = set()
    paths = app.openapi()["paths"]
    for template, methods in ({path: paths[path]} if path in paths else paths).items():
        named = (name for name in _METHODS if name in methods)
        found |= {name.upper() for name in named if _matches(path, template, methods[name])}
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _matches(path: str, template: str, operation: dict[str, Any]) -> bool:
    """Whether an operation has this path: a number in its template is digits alone."""
    numbers = {
        each["name"]
        for each in operation.get("parameters", ())
        if each["in"] == "path" and each["schema"].get("type") == "integer"
    }
    parts = re.split(r"\{([^}]*)\}", template)
    patterns = [
        ("[0-9]+" if part in numbers else "[^/]+") if is_name else re.escape(part)
        for is_name, part in zip(itertools.cycle((False, True)), parts, strict=False)
    ]
    return re.fullmatch("".join(patterns), path) is not None


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, methods[method]

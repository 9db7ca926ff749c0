"""Errors as every HTTP server of this project answers them: problem details, RFC 9457."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

PROBLEM_MEDIA_TYPE = "application/problem+json"
GENERAL = "about:blank"
"""The type of a problem of which its status says what kind it is."""
_TYPES = "urn:servery:"


def problem(status: int, what: str, advice: str, name: str = "") -> dict[str, Any]:
    """Return the problem details of an error: what happened, and what to do about it.

    `name` is the class of the error, such as `UnknownModel`, of which programs find the type
    `urn:servery:unknown-model`; without it, the status says all.
    """
    words = re.findall(r"[A-Z][a-z]*", name)
    return {
        "type": _TYPES + "-".join(words).lower() if words else GENERAL,
        "title": " ".join(words).capitalize() if words else _phrase(status),
        "status": status,
        "detail": what,
        "advice": advice,
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"

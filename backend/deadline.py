"""How long a caller waits for an answer; what nobody waits for any more is not computed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Header, Query

from backend.http_errors import HttpError

MAX_DEADLINE_SECONDS = 3600.0
DEADLINE_HEADER = "X-Request-Timeout"

_Query = Annotated[
    float | None,
    Query(
        alias="timeout",
        gt=0,
        le=MAX_DEADLINE_SECONDS,
        description="Seconds after which the caller does not wait any more: 504 then.",
    ),
]
_Header = Annotated[
    float | None,
    Header(
        alias=DEADLINE_HEADER,
        gt=0,
        le=MAX_DEADLINE_SECONDS,
        description="The same as `timeout`; of both, the shorter one counts.",
    ),
]


# Asynchronous, since FastAPI would run it in a thread otherwise.
async def _shorter(parameter: _Query = None, header: _Header = None) -> float | None:
    return min((each for each in (parameter, header) if each is not None), default=None)


Deadline = Annotated[float | None, Depends(_shorter)]
"""Seconds that the caller of a route waits, by its parameter or header; None for any time."""


@asynccontextmanager
async def deadline(seconds: float | None) -> AsyncIterator[None]:
    """Cancel the block after `seconds`; raises HttpError 504 then."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise HttpError(
            504,
            f"There was no answer within the {seconds:g} s that the request allows.",
            "Allow more time, send fewer photos at once, or start more instances with"
            " `servery fleet start`.",
        ) from error

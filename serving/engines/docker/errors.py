"""Errors of the `docker` package, as sentences that a person can act on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import urllib3.exceptions

from serving.errors import EngineError

_log = logging.getLogger(__name__)

UNAVAILABLE_ADVICE = "Start it; it is used again as soon as it answers."


class EngineUnavailable(EngineError):
    """The container engine does not answer, or the connection broke."""


class ContainerNotFound(EngineError):
    """The engine does not have the container, or not any more."""


class ImageMissing(EngineError):
    """The engine does not have the image."""


CONFLICT = 409
"""The HTTP status if the engine is doing something else with the object, or a name is in use."""
LIBRARY_ERRORS = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""Everything that the package raises; those of `requests` are OSErrors."""

NOT_AN_ENGINE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What becomes of answers that no container engine gives: `null`, a list, words for numbers."""

_REFUSING_DISK = {
    "no space left on device": "Make room on the disk of the container engine, then try again: "
    "`docker system df` says what takes it.",
    "read-only file system": "Make the disk of the container engine writable, then try again.",
}


@contextmanager
def translate_errors(doing: str, engine: str) -> Iterator[None]:
    """Turn library errors in the block into EngineErrors.

    `doing` completes "The container engine could not …"; `engine` is its address.
    """
    try:
        yield
    except EngineError:
        raise
    except docker.errors.ImageNotFound as error:
        raise ImageMissing(
            f"The container engine could not {doing}: {explanation(error)}",
            "Pull the image, load it from a file, or build it.",
        ) from error
    except docker.errors.NotFound as error:
        raise ContainerNotFound(
            f"The container engine could not {doing}: {explanation(error)}",
            "Look at the list of instances.",
        ) from error
    except docker.errors.APIError as error:
        raise EngineError(
            f"The container engine could not {doing}: {explanation(error)}",
            disk_advice(explanation(error)) or SEE_ENGINE_LOG,
        ) from error
    except LIBRARY_ERRORS as error:
        raise EngineUnavailable(
            f"The container engine at {engine} does not answer.", UNAVAILABLE_ADVICE
        ) from error
    except NOT_AN_ENGINE as error:
        _log.exception("The container engine at %s could not %s", engine, doing)
        raise EngineError(
            f"The container engine could not {doing}: what answers at {engine} answers as no"
            " container engine does.",
            "Restart the container engine, or set DOCKER_HOST to the address of another one.",
        ) from error


@contextmanager
def ignore_removed() -> Iterator[None]:
    """Let the block remove an object that may be gone, or be in use, meanwhile."""
    try:
        yield
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise


SEE_ENGINE_LOG = "Try it again; if it fails again, look at the engine's own log."


def disk_advice(message: str) -> str:
    """Return what can be done if the engine says that its disk refused; else nothing.

    The engine has no field for that: its messages end as the operating system says it.
    """
    found = [advice for text, advice in _REFUSING_DISK.items() if text in message.lower()]
    return found[0] if found else ""


def explanation(error: docker.errors.APIError) -> str:
    """Return the engine's own message as a sentence on one line."""
    message = " ".join(str(error.explanation or error).split())
    return f"{message.removesuffix('.')}."

"""What the `docker` package raises, as sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import urllib3.exceptions

from serving.errors import EngineError

UNAVAILABLE_ADVICE = "Start it; it is used again as soon as it answers."


class EngineUnavailable(EngineError):
    """The container engine does not answer, or broke off in the middle."""


class ContainerNotFound(EngineError):
    """The engine has no container of that name any more."""


class ImageMissing(EngineError):
    """The engine does not have the image."""


LIBRARY_ERRORS = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""Everything that the package raises; those of `requests` are OSErrors."""


@contextmanager
def translate_errors(doing: str, engine: str) -> Iterator[None]:
    """Turn library errors of the block into EngineErrors.

    `doing` completes "The container engine could not …"; `engine` says which one.
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
            "Try it again; if it stays like this, look at the engine's own log.",
        ) from error
    except LIBRARY_ERRORS as error:
        raise EngineUnavailable(
            f"The container engine at {engine} does not answer.", UNAVAILABLE_ADVICE
        ) from error


def explanation(error: docker.errors.APIError) -> str:
    """Return what the engine itself said, as a sentence."""
    said = str(error.explanation or error).strip()
    said = " ".join(said.split())
    return said if said.endswith(".") else f"{said}."

"""Status codes and the one error that a request can end with."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

MAX_MESSAGE_LENGTH = 1024


class Code(IntEnum):
    """The canonical codes, numbered as gRPC and TensorFlow number them."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


def shortened(text: str, length: int = MAX_MESSAGE_LENGTH) -> str:
    """Return text that a caller sent, cut so that an error message can quote it."""
    return text if len(text) <= length else f"{text[:length]}..."


class ServingError(Exception):
    """A request or a load failed with a code and a message, as the protocol has it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> ServingError:
    """Return an INVALID_ARGUMENT."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Return a NOT_FOUND."""
    return ServingError(Code.NOT_FOUND, message)


def unreadable(path: Path | str, error: OSError) -> ServingError:
    """Return an UNKNOWN for a file that cannot be read."""
    return ServingError(Code.UNKNOWN, f"{path} cannot be read: {error.strerror or error}.")


def failed_precondition(message: str) -> ServingError:
    """Return a FAILED_PRECONDITION."""
    return ServingError(Code.FAILED_PRECONDITION, message)

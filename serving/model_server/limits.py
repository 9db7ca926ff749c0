"""What one request may cost. Each limit is a flag; None sets no limit."""

from __future__ import annotations

from dataclasses import dataclass

from serving.model_server.flags import Flags
from serving.tf.status import invalid
from serving.tf.tensors import MAX_UNSENT_VALUES


@dataclass(frozen=True)
class RequestLimits:
    """What is refused before anything is made of it."""

    max_bytes: int | None = 80 << 20
    """Of a gRPC message or a REST body, also once it is unzipped."""
    max_parts: int | None = 1 << 20
    """Fields of a gRPC message at any depth, and elements of its repeated fields."""
    max_rows: int | None = 10_000
    """Images, or `tf.Example`s."""
    max_unsent_values: int | None = MAX_UNSENT_VALUES
    """Values of a tensor whose shape declares more than were sent."""
    max_json_values: int | None = 1 << 22
    """Numbers, strings, lists and objects in a REST body."""
    max_json_depth: int | None = 100
    """Lists and objects within each other."""
    max_image_pixels: int | None = 200_000_000
    """Of an image, as its header declares them."""
    max_image_bytes: int | None = 256 << 20
    """That decoding an image takes, by its header."""
    max_bytes_in_flight: int | None = 320 << 20
    """What all requests that are being answered may take in memory together."""

    @classmethod
    def of(cls, flags: Flags) -> RequestLimits:
        """Return the limits that the flags set."""
        return cls(
            max_bytes=flags.max_request_bytes or None,
            max_parts=flags.max_request_parts or None,
            max_rows=flags.max_request_rows or None,
            max_unsent_values=flags.max_unsent_values or None,
            max_json_values=flags.max_json_values or None,
            max_json_depth=flags.max_json_depth or None,
            max_image_pixels=flags.max_image_pixels or None,
            max_image_bytes=flags.max_image_bytes or None,
            max_bytes_in_flight=flags.max_bytes_in_flight or None,
        )


DEFAULT_LIMITS = RequestLimits()


def check_rows(rows: int, limits: RequestLimits) -> None:
    """Raise ServingError (INVALID_ARGUMENT) if a request has too many rows."""
    if limits.max_rows is not None and rows > limits.max_rows:
        raise invalid(
            f"The request has {rows} rows, and one may have at most {limits.max_rows}. "
            "Send them in several requests."
        )

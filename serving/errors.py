"""The errors that a person can meet: what happened, and what can be done."""

from __future__ import annotations


class ServeryError(Exception):
    """Something failed in a way that a person should know about.

    `what` says what happened and `advice` what to do, both as sentences.
    Adapters translate library errors into subclasses of this, so that nothing
    above an adapter sees an exception of `grpc`, `docker`, `httpx` or `sqlite3`.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what} {advice}".strip())
        self.what = what
        self.advice = advice


class ImageError(ServeryError):
    """The bytes are not an image that can be classified."""


class ModelError(ServeryError):
    """A model, version or model card is missing or unusable."""


class ModelNotServed(ModelError):
    """The model that was named is not loaded by the instances."""


class EngineError(ServeryError):
    """The engine that runs instances refused or failed."""


class FleetUnavailable(ServeryError):
    """No ready instance could answer."""


class BackendError(ServeryError):
    """The backend refused, failed or cannot be reached."""

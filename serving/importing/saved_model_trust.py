"""Whether what a SavedModel can do is only to compute; nothing of it runs for that."""

from __future__ import annotations

from pathlib import Path

from serving.errors import ModelError
from serving.tf.graph_safety import UnsafeModel, check_operations
from serving.tf.status import ServingError


class UntrustedModel(ModelError):
    """A SavedModel can do more than compute, and nobody has said that it is trusted."""

    def __init__(self, what: str, reasons: tuple[str, ...]) -> None:
        super().__init__(what, "Say that you trust it if you know who made it.")
        self.reasons = reasons


def check_saved_model(folder: Path, *, trusted: bool) -> tuple[str, ...]:
    """Return by what a SavedModel can do more than compute; nothing of it has run then.

    Raises UntrustedModel unless it is trusted, and ModelError if no TensorFlow here loads it.
    """
    try:
        check_operations(folder)
    except UnsafeModel as error:
        if not error.can_be_trusted:
            raise ModelError(error.message, "Choose another model.") from error
        if not trusted:
            raise UntrustedModel(error.message, tuple(error.reasons)) from error
        return tuple(error.reasons)
    except ServingError as error:
        raise ModelError(error.message, "Save the model again, or download it again.") from error
    return ()

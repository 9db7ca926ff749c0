"""Whether a new version goes live by itself."""

from __future__ import annotations

from backend.training.worker_protocol import Evaluation

MARGIN = 0.02
"""How much accuracy on old classes a new version may lose; 0.02 is two in a hundred."""


def reason_not_to_promote(evaluation: Evaluation, margin: float = MARGIN) -> str | None:
    """Return why a version is not to go live, as a sentence, or None where it may.

    A version goes live unless it answers more than `margin` fewer of the
    held-out images right that show what the base version already knew.
    """
    if evaluation.old_accuracy is None or evaluation.old_base_accuracy is None:
        return None
    if evaluation.old_base_accuracy - evaluation.old_accuracy <= margin + 1e-9:
        return None
    return (
        "On what the model already knew, accuracy fell from "
        f"{_percent(evaluation.old_base_accuracy)} to {_percent(evaluation.old_accuracy)}, "
        "so the version did not go live."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"

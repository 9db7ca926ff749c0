"""The gate: whether a new version goes live by itself."""

from __future__ import annotations

from backend.training.worker_protocol import Evaluation

MARGIN = 0.02
"""How much accuracy on old classes a new version may lose; 0.02 is two in a hundred."""
_ROUNDING = 1e-9
"""Shares that differ by exactly the margin may not, as floating-point numbers."""


def reason_not_to_promote(evaluation: Evaluation) -> str | None:
    """Return why a version must not go live, as a sentence, or None if it may.

    A version goes live unless its share of right answers, on the held-out images of
    classes that the base version knew, is more than MARGIN below the base version's.
    """
    before, after = evaluation.old_base_accuracy, evaluation.old_accuracy
    if before is None or after is None or before - after <= MARGIN + _ROUNDING:
        return None
    return (
        f"On what the model already knew, accuracy fell from {100 * before:.1f}% to "
        f"{100 * after:.1f}%, so the version did not go live."
    )

"""Why a photo is next in the queue, as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import QueueReason


def reason_text(reason: QueueReason, alike: int, best: Sequence[tuple[str, int]]) -> str:
    """Return the sentence for a reason.

    `alike` photos without a label look like it; `best` are the most probable classes, and how
    many labels each has.
    """
    match reason:
        case QueueReason.TYPICAL if alike > 1:
            return f"{alike:,} photos without a label look like it."
        case QueueReason.TYPICAL if alike == 1:
            return "Another photo without a label looks like it."
        case QueueReason.TYPICAL:
            return "No photo with a label looks like it."
        case QueueReason.RARE:
            name, labels = best[0]
            return f"It may show {name}, which has only {_labels(labels)}."
        case QueueReason.UNCERTAIN:
            return f"It may show {best[0][0]} or {best[1][0]}."
        case QueueReason.REPEATED:
            return "A photo that is nearly the same has a label or comes before it."
        case QueueReason.SKIPPED:
            return "It was skipped before."
        case QueueReason.UNSEEN:
            return "The model has not looked at it yet."


def _labels(count: int) -> str:
    return "1 label" if count == 1 else f"{count:,} labels"

"""How fast the models answer on this machine, from the answers that are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from desktop.classify.photo import Photo

MAX_ANSWERS = 50
"""The newest answers of a model that count; older ones are from another day's load."""


def quick_milliseconds(photos: Sequence[Photo]) -> dict[str, float]:
    """Return by model the milliseconds that the quickest tenth of its latest answers took.

    The others waited behind photos that came in the same moment, which says how many there
    were and not how fast the model is. `photos` come newest first.
    """
    times: defaultdict[str, list[float]] = defaultdict(list)
    for photo in photos:
        if photo.prediction is not None:
            known = times[photo.prediction.model]
            if len(known) < MAX_ANSWERS:
                known.append(photo.prediction.milliseconds)
    return {model: sorted(known)[len(known) // 10] for model, known in times.items()}

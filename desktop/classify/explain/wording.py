"""What an occlusion says, in words; no Qt."""

from __future__ import annotations

from desktop.formats import percent
from desktop.translation import tr
from serving.predict.occlusion import Occlusion

_MIN_DROP = 0.25
"""In log-odds: a smaller fall is within what any change of a photo does."""
_PLACES = (
    (tr("upper left"), tr("upper middle"), tr("upper right")),
    (tr("middle left"), tr("middle"), tr("middle right")),
    (tr("lower left"), tr("lower middle"), tr("lower right")),
)
"""The thirds of a photo, row by row."""


def has_strongest(occlusion: Occlusion) -> bool:
    """Say whether a part speaks for the class more than chance would have it."""
    row, column = occlusion.strongest
    return occlusion.importances[row][column] >= _MIN_DROP


def place_words(occlusion: Occlusion) -> str:
    """Return where the strongest part is: `upper left`, `middle`."""
    row, column = occlusion.strongest
    places = _PLACES[_third(row, len(occlusion.importances))]
    return places[_third(column, len(occlusion.importances[0]))]


def strongest_places(occlusion: Occlusion, max_places: int = 3) -> list[tuple[str, float]]:
    """Return thirds of the photo that speak for the class, and how much, the strongest first.

    From 0 to 1, of the strongest part; without those that matter less than chance would have it.
    """
    best: dict[str, float] = {}
    for y, row in enumerate(occlusion.importances):
        for x, value in enumerate(row):
            place = _PLACES[_third(y, len(occlusion.importances))][_third(x, len(row))]
            best[place] = max(value, best.get(place, value))
    ranked = sorted(best.items(), key=lambda each: -each[1])
    return [(place, value / occlusion.scale) for place, value in ranked if value >= _MIN_DROP][
        :max_places
    ]


def occlusion_sentence(occlusion: Occlusion) -> str:
    """Return what covering the strongest part does, as a sentence."""
    score, lowest = percent(occlusion.score), percent(occlusion.lowest)
    if has_strongest(occlusion):
        return tr(
            "{score}; with the part in the {place} covered, {lowest}.",
            score=score,
            place=place_words(occlusion),
            lowest=lowest,
        )
    if score == lowest:
        return tr("No single part decides: with any one covered, it stays {score}.", score=score)
    return tr(
        "No single part decides: with any one covered, {score} falls to {lowest} at most.",
        score=score,
        lowest=lowest,
    )


def _third(place: int, count: int) -> int:
    return min(2, int((place + 0.5) / count * 3))

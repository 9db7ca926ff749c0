"""When fine-tuning is offered, and how much work it is; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.contract import FineTuningOffer
from serving.models.model_settings import ModelSettings

MIN_LABELS = 100
MIN_LABELS_A_CLASS = 50
"""On average; docs/decisions/fine-tuning.md says why."""
MAX_LABELS = 20_000
"""The activations at the cut of so many photos take 1.3 GB of disk with EfficientNet-Lite2; the
embeddings that a version keeps take 51 MB."""
TRAININGS = 5
"""One without each of four parts, and one on all photos."""
PARTS = TRAININGS - 1
PASSES = 4
"""Of each training over its photos."""
CHUNK = 16
"""Photos that are looked at together."""
_LOOKING_UNITS = 8.0
"""Looking at a photo and its mirror image takes as long as so many photos of a training step."""
_SECONDS_A_UNIT = 0.012
"""On one core of an AMD EPYC (Zen 4), with EfficientNet-Lite0."""
_SIDE = 224
"""Of its input."""


@dataclass(frozen=True)
class Work:
    """What there is to do; a unit is one photo in one step of a training."""

    photos: int

    @property
    def looking(self) -> float:
        """Units for what the network has of a photo at the cut, all photos together."""
        return _LOOKING_UNITS * self.photos

    @property
    def units(self) -> float:
        """All of it."""
        return self.looking + PASSES * self.photos * PARTS


def estimate(photos: int, input_side: int | None) -> float:
    """Return about how many seconds it takes to fine-tune on so many photos."""
    # Lite2 has more and larger layers: the time grows with the cube of the side, about.
    larger = ((input_side or _SIDE) / _SIDE) ** 3
    return Work(photos).units * _SECONDS_A_UNIT * larger


def offer(
    settings: ModelSettings, labels: Mapping[str, int], input_side: int | None
) -> FineTuningOffer:
    """Say whether the network of a model may be fine-tuned on so many `labels` by class."""
    count, classes = sum(labels.values()), sum(number > 0 for number in labels.values())
    needed = max(MIN_LABELS, MIN_LABELS_A_CLASS * classes)
    because, advice = "", ""
    if not settings.backbone or settings.keeps_backbone_classes:
        because = (
            "The network of this model is not fine-tuned: the model keeps classes of which there"
            " are no photos here, and would forget them."
        )
        advice = "Make a model of your own classes only."
    elif classes < 2:
        because = "Fine-tuning needs photos of at least two classes."
        advice = "Label some of another one."
    elif count < needed:
        because = (
            f"Fine-tuning needs {needed:,} labels, {MIN_LABELS_A_CLASS} a class on average and"
            f" at least {MIN_LABELS}; there are {count:,}."
        )
        advice = "Label more photos; fewer cannot show that it helps."
    elif count > MAX_LABELS:
        because = f"Fine-tuning takes at most {MAX_LABELS:,} labels, and there are {count:,}."
        advice = "Train as usual: so many labels teach the model enough."
    seconds = None if because else estimate(count, input_side)
    return FineTuningOffer(because, advice, count, seconds)

"""When fine-tuning is offered, and why not."""

from __future__ import annotations

import pytest

from backend.training.fine_tuning.conditions import MAX_LABELS, estimate, offer
from serving.models.model_settings import ModelSettings

OWN = ModelSettings(backbone="efficientnet-lite0", keeps_backbone_classes=False)


def test_it_is_offered_for_classes_of_ones_own_with_enough_labels() -> None:
    found = offer(OWN, {"cat": 50, "dog": 50}, 224)
    assert (found.possible, found.because, found.labels) == (True, "", 100)
    assert found.seconds == estimate(100, 224)


@pytest.mark.parametrize(
    ("settings", "labels", "because"),
    [
        (ModelSettings(), {"cat": 50, "dog": 50}, "keeps classes"),
        (ModelSettings(backbone="other"), {"cat": 50, "dog": 50}, "keeps classes"),
        (OWN, {"cat": 100, "dog": 0}, "at least two classes"),
        (OWN, {}, "at least two classes"),
        (OWN, {"cat": 50, "dog": 49}, "needs 100 labels"),
        (OWN, {str(number): 49 for number in range(10)}, "needs 500 labels"),
        (OWN, {"cat": MAX_LABELS, "dog": 1}, "at most 20,000 labels"),
    ],
)
def test_an_impossible_fine_tuning_says_why(
    settings: ModelSettings, labels: dict[str, int], because: str
) -> None:
    found = offer(settings, labels, 224)
    assert because in found.because
    assert (found.possible, found.seconds) == (False, None)
    assert found.advice


def test_a_larger_network_and_more_photos_take_longer() -> None:
    assert estimate(200, 224) == pytest.approx(2 * estimate(100, 224))
    assert estimate(100, 260) > estimate(100, 224) == estimate(100, None)

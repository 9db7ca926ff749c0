"""What the gate says of versions that the worker made from real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.contract import Rule
from backend.store.images import ImageFolder
from backend.training.gate import Verdict, judge
from backend.training.new_version import learn
from backend.training.worker_protocol import LabeledImage, TrainingSpec
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import staged_version
from serving.models.version import Version
from serving.normalize_image import read_normalized_image
from serving.workspace import Workspace

BACKBONE = "efficientnet-lite0"
WASTE = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


class Waste:
    """A workspace, and photos of waste that are stored in it when they are first asked for."""

    def __init__(self, workspace: Workspace, shared_data: Path) -> None:
        self._workspace, self._folder = workspace, shared_data / "trashnet" / "train"
        self._images = ImageFolder(workspace.images)
        self.repository = ModelRepository(workspace.models)

    def photos(self, kind: str, first: int, count: int, name: str = "") -> list[LabeledImage]:
        """Return photos of a kind of waste, labelled as that or as `name`."""
        found = []
        for path in sorted((self._folder / kind).iterdir())[first : first + count]:
            image = self._images.put(read_normalized_image(path))
            found.append(LabeledImage(image, str(self._images.path(image)), name or kind))
        return found

    def judge(self, base: Version, labels: list[LabeledImage]) -> Verdict:
        """Make a version of these labels, and return what the gate says of it."""
        with staged_version(self.repository, base.model) as staged:
            spec = TrainingSpec(
                run_id="run",
                base_version=base.number,
                base_folder=str(base.path),
                staging_folder=str(staged),
                embeddings_folder=str(self._workspace.embeddings),
                images=tuple(labels),
                images_ever_labeled=tuple(sorted(label.image for label in labels)),
            )
            result = learn(spec, lambda message: None)
        return judge(result.evaluation, result.evidence)


@pytest.fixture
def waste(workspace: Workspace, shared_data: Path) -> Waste:
    return Waste(workspace, shared_data)


def test_a_class_of_all_kinds_of_photos_is_held_back_beside_good_ones(waste: Waste) -> None:
    base = create_from_backbone(waste.repository, "mine", BACKBONE, keeps_classes=False)
    good = [photo for kind in WASTE for photo in waste.photos(kind, 0, 8)]
    assert waste.judge(base, good).passed
    anything = [photo for kind in WASTE for photo in waste.photos(kind, 20, 2, "recycled")]
    verdict = waste.judge(base, good + anything)
    assert verdict.rule is Rule.NEW_NOT_LEARNED
    assert "“recycled” was not learned from its 12 photos" in verdict.because
    shown = {image for pair in verdict.confused for image in pair.images}
    assert shown & {photo.image for photo in anything}
    assert all("recycled" in (pair.first, pair.second) for pair in verdict.confused)

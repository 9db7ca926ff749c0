"""A model of one's own from a folder of folders, on the network of a built-in model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.contract import EvaluationReport
from backend.training.head import ServableGraph
from backend.training.learned import Learned
from backend.training.loaded_version import LoadedVersion
from backend.training.new_version import learn
from backend.training.worker_protocol import (
    REPORT_PATH,
    LabeledImage,
    Message,
    PhotosRead,
    StoredImage,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
    from_line,
)
from serving.json_decode import decode
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.normalize_image import read_normalized_image
from serving.workspace import Workspace
from tests.support.sample_images import drawing, painting
from tests.support.waiting import TIMEOUT_SECONDS

BACKBONE = "efficientnet-lite0"
KINDS = ("rings", "smiley", "stripes")
ROOT = Path(__file__).parents[3]


class Teaching:
    """A workspace with a model of one's own, and a folder to teach it from."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace, self.folder = workspace, folder
        self.repository = ModelRepository(workspace.models)
        self.messages: list[Message] = []
        self.labels: dict[str, LabeledImage] = {}
        self.none: list[StoredImage] = []
        self.pool: list[StoredImage] = []

    def draw(
        self, count: int, *, part: str = "", first: int = 0, kinds: tuple[str, ...] = KINDS
    ) -> None:
        for kind in kinds:
            folder = self.folder / part / kind
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(first, first + count):
                (folder / f"{number}.jpg").write_bytes(drawing(kind, number))

    def spec(self, base: Version, staged: Path, folder: Path | None) -> TrainingSpec:
        return TrainingSpec(
            run_id="run-1",
            base_version=base.number,
            base_folder=str(base.path),
            staging_folder=str(staged),
            embeddings_folder=str(self.workspace.training_runs / "embeddings"),
            images=tuple(self.labels.values()),
            images_ever_labeled=tuple(sorted(self.labels)),
            import_folder=str(folder or ""),
            images_folder=str(self.workspace.images),
            unlabelled=tuple(self.pool),
            none=tuple(self.none),
        )

    def stored(self, jpeg: bytes) -> StoredImage:
        name = hashlib.sha256(jpeg).hexdigest()
        path = self.workspace.images / f"{name}.jpg"
        path.write_bytes(jpeg)
        return StoredImage(name, str(path))

    def take(self, message: Message) -> None:
        """Keep a message, and the labels in it, as the trainer does."""
        self.messages.append(message)
        for photo in message.photos if isinstance(message, PhotosRead) else ():
            path = self.workspace.images / photo.image[:2] / f"{photo.image}.jpg"
            image = LabeledImage(photo.image, str(path), photo.class_name, photo.held_out)
            self.labels[photo.image] = image

    def learn(self, base: Version, *, imports: bool = True) -> tuple[Version, TrainingResult]:
        self.messages.clear()
        with staged_version(self.repository, base.model) as staged:
            folder = self.folder if imports else None
            result = learn(self.spec(base, staged, folder), self.take)
            return commit_version(self.repository, base.model, staged), result

    def steps(self) -> list[str]:
        return [message.step for message in self.messages if isinstance(message, TrainingProgress)]


@pytest.fixture
def teaching(workspace: Workspace, tmp_path: Path) -> Teaching:
    return Teaching(workspace, tmp_path / "photos")


@pytest.fixture
def mine(teaching: Teaching) -> Version:
    return create_from_backbone(teaching.repository, "mine", BACKBONE, keeps_classes=False)


def first_answers(version: Version, images: list[bytes]) -> list[str]:
    with LoadedVersion(version.path) as loaded:
        classes, _ = loaded.predict(images)
        return [names[0].decode() for names in classes]


def report_of(version: Version) -> EvaluationReport:
    return decode(EvaluationReport, json.loads((version.path / REPORT_PATH).read_text()))


def test_a_folder_of_folders_becomes_a_model(teaching: Teaching, mine: Version) -> None:
    teaching.draw(8)
    (teaching.folder / "rings" / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    version, result = teaching.learn(mine)
    assert version.card().classes == KINDS
    assert len(teaching.labels) == 24
    for kind in KINDS:
        unseen = [drawing(kind, seed) for seed in range(100, 110)]
        assert first_answers(version, unseen).count(kind) >= 9
    assert result.skipped == 1
    assert result.evaluation.base_accuracy == 0
    report = report_of(version)
    assert (report.method, report.photos) == ("cross-validation", 24)
    assert report.accuracy == result.evaluation.accuracy == version.card().accuracy
    assert report.accuracy is not None
    assert report.accuracy >= 0.9
    assert (report.classes, report.photos_per_class) == (list(KINDS), [8, 8, 8])
    assert [entry.path for entry in report.skipped] == ["rings/broken.jpg"]
    progress = [m.progress for m in teaching.messages if isinstance(m, TrainingProgress)]
    assert progress == sorted(progress)


def test_the_test_part_is_measured_on_and_not_learned_from(
    teaching: Teaching, mine: Version
) -> None:
    teaching.draw(5, part="train")
    teaching.draw(2, part="test", first=50)
    version, result = teaching.learn(mine)
    assert (result.learned_images, result.evaluation.images) == (21, 6)
    report = report_of(version)
    assert (report.method, report.photos_per_class) == ("held-out photos", [5, 5, 5])
    assert version.card().training["labelled_images"] == 15


def test_importing_again_embeds_only_what_is_new(teaching: Teaching, mine: Version) -> None:
    teaching.draw(4)
    first, _ = teaching.learn(mine)
    teaching.draw(5)
    second, result = teaching.learn(first)
    assert "Embedding 3 photos." in teaching.steps()
    (read,) = (message for message in teaching.messages if isinstance(message, PhotosRead))
    assert len(read.photos) == 3
    assert result.evaluation.base_accuracy is not None
    assert result.evaluation.old_images == 15
    assert second.card().classes == KINDS


def test_new_classes_beside_a_backbones_leave_photos_of_the_old_alone(
    teaching: Teaching, photos: list[Path]
) -> None:
    both = create_from_backbone(teaching.repository, "both", BACKBONE, keeps_classes=True)
    teaching.draw(4)
    version, result = teaching.learn(both)
    assert version.card().classes == (*both.card().classes, *KINDS)
    for kind in KINDS:
        unseen = [drawing(kind, seed) for seed in range(100, 110)]
        assert first_answers(version, unseen).count(kind) >= 8
    jpegs = [photo.read_bytes() for photo in photos]
    before, after = first_answers(both, jpegs), first_answers(version, jpegs)
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1
    assert result.evaluation.old_images == 0
    assert report_of(version).classes[:3] == list(KINDS)


def test_real_photos_are_taught_beside_a_backbones_classes(
    teaching: Teaching, shared_data: Path, photos: list[Path]
) -> None:
    for kind in ("glass", "metal", "paper"):
        (teaching.folder / kind).mkdir(parents=True)
        for photo in sorted((shared_data / "trashnet" / "train" / kind).iterdir())[:8]:
            shutil.copyfile(photo, teaching.folder / kind / photo.name)
    both = create_from_backbone(teaching.repository, "both", BACKBONE, keeps_classes=True)
    version, _ = teaching.learn(both)
    for kind in ("glass", "metal", "paper"):
        unseen = sorted((shared_data / "trashnet" / "test" / kind).iterdir())[:12]
        assert first_answers(version, [p.read_bytes() for p in unseen]).count(kind) >= 6
    jpegs = [photo.read_bytes() for photo in photos]
    before, after = first_answers(both, jpegs), first_answers(version, jpegs)
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1


def test_the_order_of_teaching_changes_no_score(teaching: Teaching, mine: Version) -> None:
    teaching.draw(3, kinds=("smiley", "stripes"))
    first, _ = teaching.learn(mine)
    teaching.draw(3, kinds=("rings",))
    by_steps, _ = teaching.learn(first)
    teaching.labels = dict(reversed(teaching.labels.items()))
    at_once, _ = teaching.learn(mine, imports=False)
    one, other = ServableGraph(by_steps.path).head(), ServableGraph(at_once.path).head()
    assert one.classes == other.classes == KINDS
    assert np.array_equal(one.kernel, other.kernel)


def test_photos_without_labels_teach_once_they_are_embedded(
    teaching: Teaching, mine: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.training.embed_images.MAX_POOL_EMBEDDED", 6)
    teaching.draw(3)
    photos = [drawing(kind, seed) for seed in range(50, 54) for kind in KINDS]
    teaching.pool = [teaching.stored(jpeg) for jpeg in photos]
    version, _ = teaching.learn(mine)
    assert "on 6 photos without labels" in version.card().training["method"]
    assert "Embedded 15 of 15 photos." in teaching.steps()
    for photo in teaching.pool:
        Path(photo.path).unlink()  # Those that are embedded need not be looked at again.
    again, _ = teaching.learn(mine, imports=False)
    assert "on 6 photos without labels" in again.card().training["method"]
    learned = Learned.read(again.path, ServableGraph(again.path).head()).cross_validated
    assert learned is not None
    assert learned.images == tuple(sorted(teaching.labels))
    for kind in KINDS:
        unseen = [drawing(kind, seed) for seed in range(100, 110)]
        assert first_answers(again, unseen).count(kind) >= 9


def test_labels_taken_back_leave_a_model_without_classes(teaching: Teaching, mine: Version) -> None:
    teaching.draw(2)
    taught, _ = teaching.learn(mine)
    teaching.labels.clear()
    empty, result = teaching.learn(taught, imports=False)
    assert empty.card().classes == ()
    assert result.evaluation.accuracy is None
    assert first_answers_of_none(empty) == (1, 0)


def first_answers_of_none(version: Version) -> tuple[int, ...]:
    with LoadedVersion(version.path) as loaded:
        classes, _ = loaded.predict([drawing("rings", 1)])
        shape: tuple[int, ...] = classes.shape
        return shape


def test_a_photo_that_only_the_network_cannot_read_costs_itself_alone(
    teaching: Teaching, mine: Version
) -> None:
    teaching.draw(3)
    teaching.learn(mine)
    victim = next(iter(teaching.labels.values()))
    broken = replace(victim, image="0" * 64, path=str(teaching.workspace.images / "broken.jpg"))
    Path(broken.path).write_bytes(b"\xff\xd8\xff nonsense")
    teaching.labels[broken.image] = broken
    version, result = teaching.learn(mine, imports=False)
    assert (result.learned_images, result.unreadable_images) == (9, 1)
    assert [entry.reason for entry in report_of(version).skipped] == ["cannot be read"]


def test_a_run_that_is_killed_is_continued(teaching: Teaching, mine: Version) -> None:
    teaching.draw(24)
    spec_file = teaching.workspace.training_runs / "spec.json"
    with staged_version(teaching.repository, "mine") as staged:
        teaching.spec(mine, staged, teaching.folder).write(spec_file)
        worker = subprocess.Popen(
            [sys.executable, "-m", "backend.training.worker", str(spec_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert worker.stdout is not None
        for line in worker.stdout:
            message = from_line(line)
            assert message is not None
            teaching.take(message)
            if isinstance(message, TrainingProgress) and message.step.startswith("Embedded 32"):
                worker.send_signal(signal.SIGKILL)
                break
        with contextlib.suppress(ValueError):
            worker.communicate(timeout=TIMEOUT_SECONDS)
    assert len(teaching.labels) == 72
    _, result = teaching.learn(mine)
    assert result.learned_images == 72
    (embedding,) = (step for step in teaching.steps() if step.startswith("Embedding "))
    assert int(embedding.split()[1]) <= 40


def familiarities(version: Version, images: list[bytes]) -> list[float]:
    with LoadedVersion(version.path) as loaded:
        return [float(value) for value in loaded.answers(images).familiarity]


def test_a_version_knows_what_it_was_not_taught(teaching: Teaching, mine: Version) -> None:
    teaching.draw(30, kinds=("rings", "stripes"))
    version, _ = teaching.learn(mine)
    certainty = report_of(version).certainty
    assert certainty is not None
    assert certainty.photos == 60
    assert certainty.marked_unsure is not None
    assert certainty.marked_unsure <= 0.1
    assert certainty.temperature is not None
    assert certainty.calibration_error is not None
    assert version.card().metrics["certainty"]["calibration_error"] == certainty.calibration_error
    taught = [drawing(kind, seed) for kind in ("rings", "stripes") for seed in range(100, 115)]
    assert sum(value < 0.5 for value in familiarities(version, taught)) <= 3
    plain = [painting(color, seed) for color in ("red", "black") for seed in range(5)]
    assert max(familiarities(version, plain)) < 0.5


def test_photos_of_no_class_teach_what_is_unknown_and_no_class(
    teaching: Teaching, mine: Version
) -> None:
    teaching.draw(20, kinds=("rings", "stripes"))
    for seed in range(8):
        teaching.none.append(teaching.stored(drawing("smiley", seed)))
    version, result = teaching.learn(mine)
    assert version.card().classes == ("rings", "stripes")
    assert result.learned_images == 40
    certainty = report_of(version).certainty
    assert certainty is not None
    assert certainty.none_marked_unsure is not None
    smileys = [drawing("smiley", seed) for seed in range(100, 110)]
    assert sum(value < 0.5 for value in familiarities(version, smileys)) >= 8


def test_beside_the_classes_of_a_backbone_both_are_familiar(
    teaching: Teaching, shared_data: Path
) -> None:
    base = create_from_backbone(teaching.repository, "both", BACKBONE, keeps_classes=True)
    photos = [read_normalized_image(path) for path in sorted(shared_data.glob("photos/*.JPEG"))]
    known = familiarities(base, photos)
    assert sum(value < 0.5 for value in known) == 2  # docs/decisions/unsure.md
    teaching.draw(20, kinds=("rings",))
    version, _ = teaching.learn(base)
    assert familiarities(version, photos) == pytest.approx(known, abs=0.02)
    rings = [drawing("rings", seed) for seed in range(100, 120)]
    assert sum(value >= 0.5 for value in familiarities(version, rings)) >= 17
    without = create_from_backbone(teaching.repository, "own", BACKBONE, keeps_classes=False)
    with LoadedVersion(without.path) as loaded:
        assert loaded.answers(photos[:1]).familiarity is None

"""The worker on a real model: what it learns, keeps, and forgets on demand."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.training.features import FEATURES_PATH, Features
from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from backend.training.new_version import TOLERANCE, learn
from backend.training.worker import refusal
from backend.training.worker_protocol import (
    REPORT_PATH,
    LabeledImage,
    Message,
    TrainingFailure,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
    from_line,
)
from serving.errors import ModelError
from serving.model_server.accelerated_session import AcceleratedSession
from serving.model_server.loader import AUTO, Loader
from serving.model_server.openvino_runtime import fast_precisions
from serving.models.card import CARD_PATH, ModelCard
from serving.models.choose_runtime import MAX_SCORE_DIFFERENCE
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.tf.names import (
    CLASSES,
    CLASSIFY_SIGNATURE,
    FAMILIARITY,
    IMAGES,
    SCORES,
    WARM_UP_FILE,
)
from serving.tf.runtime_choice import F32, OPENVINO, PRECISIONS
from serving.tf.tensors import string_tensor
from serving.workspace import Workspace
from tests.support.damage import OF_A_PHOTO
from tests.support.former_version import HELD_OUT_PER_CLASS, write_former_version
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS, TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS

HELD_OUT = HELD_OUT_PER_CLASS * len(COLORS)


class TrainingEnv:
    """A repository, and images to learn from."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.repository = ModelRepository(workspace.models)
        self.messages: list[Message] = []

    def image(self, jpeg: bytes, class_name: str) -> LabeledImage:
        name = hashlib.sha256(jpeg).hexdigest()
        path = self.workspace.images / f"{name}.jpg"
        path.write_bytes(jpeg)
        return LabeledImage(name, str(path), class_name)

    def spec(self, base: Version, images: list[LabeledImage], staged: Path) -> TrainingSpec:
        return TrainingSpec(
            run_id="run-1",
            base_version=base.number,
            base_folder=str(base.path),
            staging_folder=str(staged),
            embeddings_folder=str(self.workspace.embeddings),
            images=tuple(images),
            images_ever_labeled=tuple(sorted(image.image for image in images)),
        )

    def learn(self, base: Version, images: list[LabeledImage]) -> tuple[Version, TrainingResult]:
        with staged_version(self.repository, TINY_MODEL) as staged:
            result = learn(self.spec(base, images, staged), self.messages.append)
            return commit_version(self.repository, TINY_MODEL, staged), result

    def dozen(self, kind: str) -> list[LabeledImage]:
        return [self.image(drawing(kind, seed), kind) for seed in range(12)]


@pytest.fixture
def training_env(workspace: Workspace) -> TrainingEnv:
    training_env = TrainingEnv(workspace)
    with staged_version(training_env.repository, TINY_MODEL) as staged:
        write_former_version(staged, TINY_MODEL)
        version = commit_version(training_env.repository, TINY_MODEL, staged)
    training_env.repository.promote(TINY_MODEL, version.number)
    return training_env


def first_answers(version: Version, images: list[bytes]) -> list[str]:
    with LoadedVersion(version.path) as loaded:
        classes, _ = loaded.predict(images)
        return [names[0].decode() for names in classes]


def test_a_dozen_images_teach_a_class(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    version, result = training_env.learn(base, training_env.dozen("stripes"))
    others = [drawing("stripes", seed) for seed in range(100, 120)]
    assert first_answers(version, others).count("stripes") >= 18
    for name, color in COLORS.items():
        assert first_answers(version, [painting(color, seed) for seed in range(3)]) == [name] * 3
    evaluation = result.evaluation
    assert evaluation.old_images == HELD_OUT
    assert evaluation.old_accuracy is not None
    assert evaluation.old_base_accuracy is not None
    assert evaluation.old_accuracy >= evaluation.old_base_accuracy - 0.01
    assert evaluation.images == HELD_OUT + 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_instance_answers_as_the_worker_expects(
    training_env: TrainingEnv, precision: str
) -> None:
    """On OpenVINO, in the precision of the base version unless the new head does not allow it."""
    if precision not in fast_precisions():
        pytest.skip(f"This processor is not fast at {precision}.")
    base = install_tiny(training_env.repository, "other", {})
    card = replace(base.card(), runtime=OPENVINO, precision=precision)
    (base.path / CARD_PATH).write_text(card.to_json())
    kinds = ("stripes", "rings")
    images = [training_env.image(drawing(kind, seed), kind) for kind in kinds for seed in range(30)]
    version, _ = training_env.learn(base, images)
    assert version.card().runtime == OPENVINO
    assert version.card().precision in (F32, precision)
    photos = [drawing(kind, seed) for kind in kinds for seed in range(100, 105)]
    with LoadedVersion(version.path) as loaded:
        expected = loaded.answers(photos)
    session = Loader(runtime=AUTO).load("other", 2, version.path).session
    assert isinstance(session, AcceleratedSession)
    signature = session.signatures[CLASSIFY_SIGNATURE]
    names = [CLASSES, SCORES, FAMILIARITY]
    fetches = [signature.outputs[each].name for each in names]
    compute = session.computation([signature.inputs[IMAGES].name], fetches)
    classes, scores, familiarity = (each.array for each in compute([string_tensor(photos)], None))
    session.close()
    tolerance = TOLERANCE if version.card().precision == F32 else MAX_SCORE_DIFFERENCE
    assert classes[:, 0].tolist() == expected.classes[:, 0].tolist()
    np.testing.assert_allclose(scores, expected.scores, rtol=0, atol=tolerance)
    np.testing.assert_allclose(familiarity, expected.familiarity, rtol=0, atol=tolerance)


def test_classes_taught_together_are_told_apart(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    kinds = ("stripes", "rings", "smiley")
    dozens = [image for kind in kinds for image in training_env.dozen(kind)]
    version, _ = training_env.learn(base, dozens)
    for kind in kinds:
        others = [drawing(kind, seed) for seed in range(100, 120)]
        assert first_answers(version, others).count(kind) >= 16


def test_the_version_is_whole_and_says_where_it_came_from(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    version, result = training_env.learn(base, training_env.dozen("stripes"))
    card, before = version.card(), base.card()
    assert card.classes == (*before.classes, "stripes")
    assert (card.base_version, card.training_run) == (1, "run-1")
    assert card.accuracy == result.evaluation.accuracy
    assert card.metrics["measured_images"] == HELD_OUT + 2
    assert card.embedding_size == before.embedding_size
    assert card.licence == before.licence
    records = [(folder / WARM_UP_FILE).read_bytes() for folder in (version.path, base.path)]
    assert records[0] == records[1]
    head = ServableGraph(version.path).head()
    assert head.classes == card.classes
    kept = Features.read(version.path, head)
    assert sum(map(bool, kept.train.images)) == 10
    assert sum(map(bool, kept.held_out.images)) == 2


def test_training_again_embeds_new_images_only_and_depends_on_no_order(
    training_env: TrainingEnv,
) -> None:
    base = training_env.repository.live(TINY_MODEL)
    stripes, rings = training_env.dozen("stripes"), training_env.dozen("rings")
    second, _ = training_env.learn(base, stripes)
    training_env.messages.clear()
    third, _ = training_env.learn(second, stripes + rings)
    steps = [
        message.step for message in training_env.messages if isinstance(message, TrainingProgress)
    ]
    assert "Embedding 12 photos." in steps
    at_once, _ = training_env.learn(base, stripes + rings)
    one, other = ServableGraph(third.path).head(), ServableGraph(at_once.path).head()
    assert one.classes == other.classes
    assert np.allclose(one.kernel, other.kernel, atol=1e-2)


def test_labels_taken_back_are_unlearned(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    stripes = training_env.dozen("stripes")
    taught, _ = training_env.learn(base, stripes)
    with staged_version(training_env.repository, TINY_MODEL) as staged:
        spec = replace(
            training_env.spec(taught, [], staged),
            images_ever_labeled=tuple(image.image for image in stripes),
        )
        learn(spec, training_env.messages.append)
        assert ModelCard.read(staged).classes == base.card().classes


def test_corrections_within_known_classes_add_none(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    images = [training_env.image(drawing("rings", seed), "black") for seed in range(12)]
    version, _ = training_env.learn(base, images)
    assert version.card().classes == base.card().classes
    others = [drawing("rings", seed) for seed in range(100, 120)]
    before = first_answers(base, others).count("black")
    assert first_answers(version, others).count("black") >= max(12, before)


def test_missing_images_are_skipped_and_all_missing_is_an_error(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    images = training_env.dozen("stripes")
    Path(images[0].path).unlink()
    _, result = training_env.learn(base, images)
    assert (result.learned_images, result.unreadable_images) == (11, 1)
    gone = [replace(image, image=f"{number:064d}") for number, image in enumerate(images)]
    for image in gone:
        Path(image.path).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="None of the labelled photos"):
        training_env.learn(base, gone)


def test_damaged_images_cost_themselves_by_name(training_env: TrainingEnv) -> None:
    """Whether their embeddings are known or not: the newest check the new version."""
    base = training_env.repository.live(TINY_MODEL)
    images = training_env.dozen("stripes")
    newest = images[-len(OF_A_PHOTO) :]
    training_env.learn(base, images[:-2])
    for image, damage in zip(newest, OF_A_PHOTO.values(), strict=True):
        damage(Path(image.path))
    version, result = training_env.learn(base, images)
    assert (result.learned_images, result.unreadable_images) == (10, 2)
    report = json.loads((version.path / REPORT_PATH).read_text())
    assert [entry["path"] for entry in report["skipped"]] == [each.path for each in images[-2:]]


def test_a_version_without_features_still_learns(training_env: TrainingEnv, tmp_path: Path) -> None:
    base = training_env.repository.live(TINY_MODEL)
    with staged_version(training_env.repository, TINY_MODEL) as staged:
        shutil.copytree(base.path, staged, dirs_exist_ok=True)
        (staged / FEATURES_PATH).unlink()
        bare = commit_version(training_env.repository, TINY_MODEL, staged)
    version, result = training_env.learn(bare, training_env.dozen("stripes"))
    assert version.card().classes[-1] == "stripes"
    assert result.evaluation.old_accuracy is None


def test_a_model_without_classes_on_the_network_of_a_former_version_learns(
    training_env: TrainingEnv,
) -> None:
    base = create_from_backbone(training_env.repository, "mine", TINY_MODEL, keeps_classes=False)
    images = [*training_env.dozen("stripes"), *training_env.dozen("rings")]
    version, result = training_env.learn(base, images)
    assert sorted(version.card().classes) == ["rings", "stripes"]
    others = [drawing("stripes", seed) for seed in range(100, 120)]
    assert first_answers(version, others).count("stripes") >= 16
    assert result.evaluation.old_accuracy is None


def test_a_version_with_other_scores_isrefusal(
    training_env: TrainingEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(self: ServableGraph, head: object) -> bytes:
        return (base.path / "saved_model.pb").read_bytes()

    base = training_env.repository.live(TINY_MODEL)
    monkeypatch.setattr(ServableGraph, "with_head", swapped)
    with pytest.raises(ModelError, match="as it was taught"):
        training_env.learn(base, training_env.dozen("stripes"))
    assert len(training_env.repository.versions(TINY_MODEL)) == 1


def test_the_worker_ends_with_the_backend(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    spec_file = training_env.workspace.training_runs / "spec.json"
    with staged_version(training_env.repository, TINY_MODEL) as staged:
        training_env.spec(base, training_env.dozen("stripes"), staged).write(spec_file)
        orphan = subprocess.run(
            [sys.executable, "-m", "backend.training.worker", str(spec_file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            cwd=Path(__file__).parents[3],
        )
    assert orphan.returncode == 3
    assert b'"result"' not in orphan.stdout


ENDS_SLOWLY = """
import os, runpy, threading, time

def exit_late(code, exit=os._exit):
    if threading.current_thread() is threading.main_thread():
        time.sleep(1)
    exit(code)

os._exit = exit_late
runpy.run_module("backend.training.worker", run_name="__main__", alter_sys=True)
"""
"""The worker, which takes a second between its last message and its end."""


@pytest.mark.parametrize(
    ("error", "what", "place"),
    [
        (OSError(errno.ENOSPC, "?"), "The training run could not write its files: the", "/t/r"),
        (OSError(errno.ENOSPC, "?", "/m/x"), "The file /m/x could not be written or read:", "/m/x"),
        (OSError("no number"), "The training run could not write its files", "/t/r"),
        (MemoryError(), "There is not enough memory.", ""),
        (RuntimeError("can't start new thread"), "The system starts no more processes", ""),
    ],
)  # fmt: skip
def test_what_the_system_refuses_a_run_is_a_sentence(
    error: Exception, what: str, place: str
) -> None:
    failure = refusal(error, "/t/r/spec.json")
    assert failure.what.startswith(what)
    assert place in failure.advice


def test_a_defect_of_a_run_is_no_refusal() -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        refusal(RuntimeError("a defect"), "/t/r/spec.json")


def test_a_disk_that_cannot_be_written_to_is_a_sentence(training_env: TrainingEnv) -> None:
    base = training_env.repository.live(TINY_MODEL)
    spec_file = training_env.workspace.training_runs / "spec.json"
    blocked = training_env.workspace.root / "blocked"
    blocked.write_text("a file where the folder of embeddings would be")
    with staged_version(training_env.repository, TINY_MODEL) as staged:
        spec = training_env.spec(base, training_env.dozen("stripes"), staged)
        replace(spec, embeddings_folder=str(blocked)).write(spec_file)
        with subprocess.Popen(
            [sys.executable, "-c", ENDS_SLOWLY, str(spec_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
        ) as worker:
            assert worker.stdout is not None
            messages = [from_line(line) for line in worker.stdout]
    assert isinstance(messages[-1], TrainingFailure)
    assert "blocked" in messages[-1].what
    assert worker.returncode == 1

"""The worker on the real starter model: what it learns, keeps, and forgets on demand."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.training.embeddings import EmbeddingCache
from backend.training.features import FEATURES_PATH, Features
from backend.training.head import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, ServableGraph
from backend.training.job import Job, LabelledImage, Message, Progress, Result
from backend.training.loaded import LoadedVersion
from backend.training.worker import learn
from serving.errors import ModelError
from serving.models import servable
from serving.models.card import ModelCard
from serving.models.repository import ModelRepository, Version
from serving.models.starter.install import install_starter
from serving.workspace import Workspace
from tests.integration.backend.drawings import drawing


class School:
    """A repository, and images to learn from."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.repository = ModelRepository(workspace.models)
        self.said: list[Message] = []

    def image(self, jpeg: bytes, class_name: str) -> LabelledImage:
        name = hashlib.sha256(jpeg).hexdigest()
        path = self.workspace.images / f"{name}.jpg"
        path.write_bytes(jpeg)
        return LabelledImage(name, str(path), class_name)

    def job(self, base: Version, images: list[LabelledImage], staged: Path) -> Job:
        return Job(
            run_id="run-1",
            model="starter",
            base_version=base.number,
            base_folder=str(base.path),
            staging_folder=str(staged),
            embeddings_folder=str(self.workspace.training_runs / "embeddings"),
            images=tuple(images),
            images_ever_labelled=tuple(sorted(image.image for image in images)),
        )

    def learn(self, base: Version, images: list[LabelledImage]) -> tuple[Version, Result]:
        with self.repository.staged("starter") as staged:
            result = learn(self.job(base, images, staged), self.said.append)
            return self.repository.adopt("starter", staged), result

    def dozen(self, kind: str) -> list[LabelledImage]:
        return [self.image(drawing(kind, seed), kind) for seed in range(12)]


@pytest.fixture
def school(workspace: Workspace) -> School:
    school = School(workspace)
    install_starter(school.repository)
    return school


def first_answers(version: Version, images: list[bytes]) -> list[str]:
    with LoadedVersion(version.path) as loaded:
        classes, _ = loaded.predict(images)
        return [names[0].decode() for names in classes]


def test_a_dozen_images_teach_a_class(school: School) -> None:
    base = school.repository.live("starter")
    version, result = school.learn(base, school.dozen("stripes"))
    others = [drawing("stripes", seed) for seed in range(100, 120)]
    strangers = [drawing("rings", seed) for seed in range(20)]
    assert first_answers(version, others).count("stripes") >= 18
    assert first_answers(version, strangers).count("stripes") <= 4
    measured = result.measured
    assert measured.old_images == 1000
    assert measured.old_accuracy is not None
    assert measured.old_base_accuracy is not None
    assert measured.old_accuracy >= measured.old_base_accuracy - 0.01
    assert measured.images == 1002


def test_the_version_is_whole_and_says_where_it_came_from(school: School) -> None:
    base = school.repository.live("starter")
    version, result = school.learn(base, school.dozen("stripes"))
    card, before = version.card(), base.card()
    assert card.classes == (*before.classes, "stripes")
    assert (card.base_version, card.training_run) == (1, "run-1")
    assert card.accuracy == result.measured.accuracy
    assert card.metrics["measured_images"] == 1002
    assert card.embedding_size == before.embedding_size
    assert card.licence == before.licence
    warmup = servable.WARMUP_PATH
    assert (version.path / warmup).read_bytes() == (base.path / warmup).read_bytes()
    head = ServableGraph(version.path).head()
    assert head.classes == card.classes
    kept = Features.read(version.path, head)
    assert sum(map(bool, kept.train.images)) == 10
    assert sum(map(bool, kept.held_out.images)) == 2


def test_learning_again_looks_at_new_images_only_and_depends_on_no_order(school: School) -> None:
    base = school.repository.live("starter")
    stripes, rings = school.dozen("stripes"), school.dozen("rings")
    second, _ = school.learn(base, stripes)
    school.said.clear()
    third, _ = school.learn(second, stripes + rings)
    steps = [message.step for message in school.said if isinstance(message, Progress)]
    assert "Looking at 12 photos." in steps
    at_once, _ = school.learn(base, stripes + rings)
    one, other = ServableGraph(third.path).head(), ServableGraph(at_once.path).head()
    assert one.classes == other.classes
    assert np.allclose(one.kernel, other.kernel, atol=1e-2)


def test_labels_taken_back_are_unlearned(school: School) -> None:
    base = school.repository.live("starter")
    stripes = school.dozen("stripes")
    taught, _ = school.learn(base, stripes)
    with school.repository.staged("starter") as staged:
        job = replace(
            school.job(taught, [], staged),
            images_ever_labelled=tuple(image.image for image in stripes),
        )
        learn(job, school.said.append)
        assert ModelCard.read(staged).classes == base.card().classes


def test_corrections_within_known_classes_add_none(school: School) -> None:
    base = school.repository.live("starter")
    images = [school.image(drawing("rings", seed), "frog") for seed in range(12)]
    version, _ = school.learn(base, images)
    assert version.card().classes == base.card().classes
    others = [drawing("rings", seed) for seed in range(100, 120)]
    before = first_answers(base, others).count("frog")
    assert first_answers(version, others).count("frog") >= max(12, before)


def test_missing_images_are_left_out_and_all_missing_is_an_error(school: School) -> None:
    base = school.repository.live("starter")
    images = school.dozen("stripes")
    Path(images[0].path).unlink()
    _, result = school.learn(base, images)
    assert (result.learned_images, result.unreadable_images) == (11, 1)
    gone = [replace(image, image=f"{number:064d}") for number, image in enumerate(images)]
    for image in gone:
        Path(image.path).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="None of the labelled photos"):
        school.learn(base, gone)


def test_a_version_without_features_still_learns(school: School, tmp_path: Path) -> None:
    base = school.repository.live("starter")
    with school.repository.staged("starter") as staged:
        shutil.copytree(base.path, staged, dirs_exist_ok=True)
        (staged / FEATURES_PATH).unlink()
        bare = school.repository.adopt("starter", staged)
    version, result = school.learn(bare, school.dozen("stripes"))
    assert version.card().classes[-1] == "stripes"
    assert result.measured.old_accuracy is None


def test_a_version_that_answers_otherwise_is_caught(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(self: ServableGraph, head: object) -> bytes:
        return (base.path / "saved_model.pb").read_bytes()

    base = school.repository.live("starter")
    monkeypatch.setattr(ServableGraph, "with_head", swapped)
    with pytest.raises(ModelError, match="as it was taught"):
        school.learn(base, school.dozen("stripes"))
    assert len(school.repository.versions("starter")) == 1


def test_the_worker_ends_with_the_backend(school: School) -> None:
    base = school.repository.live("starter")
    job_file = school.workspace.training_runs / "job.json"
    with school.repository.staged("starter") as staged:
        school.job(base, school.dozen("stripes"), staged).write(job_file)
        orphan = subprocess.run(
            [sys.executable, "-m", "backend.training.worker", str(job_file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            cwd=Path(__file__).parents[3],
        )
    assert orphan.returncode == 3
    assert b'"result"' not in orphan.stdout


def test_the_head_is_found_where_the_exporter_puts_it() -> None:
    assert servable.HEAD_KERNEL == HEAD_KERNEL
    assert servable.HEAD_BIAS == HEAD_BIAS
    assert servable.HEAD_CLASSES == HEAD_CLASSES


def test_a_damaged_cache_counts_as_empty(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, "b")
    cache.keep({"a" * 64: np.ones(4, np.float32)})
    assert EmbeddingCache(tmp_path, "b").get("a" * 64) is not None
    (tmp_path / "b.npz").write_bytes(b"PK nonsense")
    assert EmbeddingCache(tmp_path, "b").get("a" * 64) is None

"""The built-in models on real photos, read the way every photo is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.loaded_version import LoadedVersion
from serving.model_server import openvino_runtime
from serving.model_server.accelerated_session import AcceleratedSession
from serving.model_server.loader import AUTO, Loader
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.tf.names import CLASSES, CLASSIFY_SIGNATURE, FAMILIARITY, IMAGES, SCORES
from serving.tf.tensors import string_tensor
from tests.benchmarks.imagenet_accuracy import Accuracy, measure, named_photos
from tests.support.sample_images import image_file


@pytest.fixture(scope="module")
def accuracy(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Accuracy:
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    return measure(install_built_in(repository, DEFAULT_BUILT_IN), shared_data / "photos")


def test_real_photos_are_answered_with_what_they_show(accuracy: Accuracy) -> None:
    assert len(accuracy.answers) == 44
    assert accuracy.top(1) >= 40
    assert accuracy.top(5) == 44


def test_the_giant_panda_and_the_hot_dog(accuracy: Accuracy) -> None:
    answers = {answer.expected: answer for answer in accuracy.answers}
    assert answers["giant panda"].classes[0] == "giant panda"
    assert answers["giant panda"].scores[0] > 0.8
    assert answers["hotdog"].classes[0] == "hotdog"


def test_the_small_model_is_right_on_most(shared_data: Path, tmp_path: Path) -> None:
    version = install_built_in(ModelRepository(tmp_path), "efficientnet-lite0")
    assert measure(version, shared_data / "photos").top(1) >= 38


@pytest.mark.parametrize("name", ["efficientnet-lite0", DEFAULT_BUILT_IN])
def test_openvino_answers_photos_as_tensorflow_does(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """TensorFlow need not load the network for that."""
    if not openvino_runtime.is_installed():
        pytest.skip("OpenVINO is not installed.")
    folder = install_built_in(ModelRepository(tmp_path), name).path
    with LoadedVersion(folder) as version:
        photos = [path.read_bytes() for path in sorted((shared_data / "photos").glob("*.JPEG"))]
        expected = version.answers(photos)
    monkeypatch.setattr(Loader, "_whole", lambda self, folder: pytest.fail("TensorFlow is loaded"))
    session = Loader(runtime=AUTO).load(name, 1, folder).session
    assert isinstance(session, AcceleratedSession)
    signature = session.signatures[CLASSIFY_SIGNATURE]
    outputs = [signature.outputs[each].name for each in (CLASSES, SCORES, FAMILIARITY)]
    compute = session.computation([signature.inputs[IMAGES].name], outputs)
    classes, scores, familiarity = (each.array for each in compute([string_tensor(photos)], None))
    session.close()
    assert classes[:, 0].tolist() == expected.classes[:, 0].tolist()
    np.testing.assert_allclose(scores, expected.scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(familiarity, expected.familiarity, rtol=0, atol=1e-4)


def test_photos_are_found_by_their_own_name_or_that_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "n01440764" / "more").mkdir(parents=True)
    for name in ("n02510455_1.jpg", "n01440764/more/2.JPG", "n01440764/n02509815.jpg", "other.jpg"):
        image_file(tmp_path / name)
    (tmp_path / "n02510455.txt").write_text("no photo")
    assert [(path.name, key) for path, key in named_photos(tmp_path)] == [
        ("2.JPG", "n01440764"),
        ("n02509815.jpg", "n02509815"),
        ("n02510455_1.jpg", "n02510455"),
    ]

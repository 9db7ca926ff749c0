"""What is no image classifier, or more than one, is refused with the reason, before it is run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from serving.errors import ModelError
from serving.importing import write
from serving.importing.conversion import load_source
from serving.importing.facts import find_interface
from serving.importing.hdf5 import DamagedModelFile, check_weights
from serving.importing.interface import ImportRequest
from serving.importing.keras_config import check_config
from serving.importing.keras_source import source_of
from serving.importing.label_files import UnusableLabels
from serving.importing.model_file import find_model
from serving.importing.saved_model_trust import UntrustedModel
from serving.importing.source import NoClassifier, Source
from serving.importing.write import write_version
from serving.models.card import ModelCard
from tests.support.imported_models import CLASSES, SIDE, network

pytestmark = pytest.mark.filterwarnings("ignore")
LAYERS = keras.layers


def load(path: Path, scratch: Path, *, trust: bool = False) -> Source:
    scratch.mkdir(exist_ok=True)
    file = find_model(path, scratch / "unpacked")
    return load_source(file, ImportRequest(str(path), trust=trust), scratch)


def text_model() -> Any:
    return keras.Sequential([LAYERS.Input((20,)), LAYERS.Dense(3, activation="softmax")])


def two_inputs() -> Any:
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    joined = LAYERS.Flatten()(LAYERS.Add()([one, other]))
    return keras.Model([one, other], LAYERS.Dense(3)(joined))


def segmentation() -> Any:
    return keras.Sequential([LAYERS.Input((8, 8, 3)), LAYERS.Conv2D(4, 3)])


def many_bands() -> Any:
    return keras.Sequential(
        [LAYERS.Input((8, 8, 7)), LAYERS.Flatten(), LAYERS.Dense(3, activation="softmax")]
    )


def sequence() -> Any:
    return keras.Sequential([LAYERS.Input((8, 8, 3)), LAYERS.Reshape((8, 24)), LAYERS.Dense(3)])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text_model, r"takes numbers of shape \[any, 20\]; photos have four axes"),
        (two_inputs, "has 2 inputs and 1 outputs"),
        (segmentation, r"gives a picture for each photo, \[any, 6, 6, 4\]"),
        (many_bands, "takes 7 channels a pixel"),
        (sequence, r"gives values of shape \[any, 8, 3\], not one score for each class"),
    ],
)
def test_networks_that_do_not_classify_are_refused(make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(NoClassifier, match=reason):
        source_of(make())


def test_a_lambda_layer_is_refused_and_not_run(tmp_path: Path) -> None:
    model = keras.Sequential(
        [LAYERS.Input((8, 8, 3)), LAYERS.Lambda(lambda x: x * 2), LAYERS.Flatten()]
    )
    for name in ("code.keras", "code.h5"):
        model.save(tmp_path / name)
        with pytest.raises(NoClassifier, match="Python code in it, in a Lambda layer"):
            load(tmp_path / name, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"class_name": "Mine", "module": None, "registered_name": "Mine"}, "class of its own"),
        ({"class_name": "Mine", "registered_name": "package>Mine"}, "class of its own"),
        ({"class_name": "system", "module": "os", "config": {}}, r"class of its own, os\.system"),
        ({"class_name": "eval", "module": "builtins", "config": {}}, "class of its own"),
        ({"class_name": "get_file", "module": "keras.src.utils", "config": {}}, "of its own"),
        ({"class_name": "__lambda__", "config": {}}, "can be code"),
        ({"class_name": "__typespec__", "config": {}}, "can be code"),
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "read from a path"),
        ({"class_name": "StringLookup", "module": "keras.layers"}, "reads texts"),
    ],
)
def test_descriptions_that_name_more_than_layers(part: dict[str, Any], reason: str) -> None:
    """Wherever in a description: also where Keras would make an initializer of it."""
    config = {"class_name": "Sequential", "config": {"layers": [{"kernel_initializer": part}]}}
    with pytest.raises(NoClassifier, match=reason):
        check_config(config)


def test_a_description_in_a_file_is_looked_through(tmp_path: Path) -> None:
    network().save(tmp_path / "good.keras")
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad,
    ):
        for entry in good.namelist():
            content = good.read(entry)
            if entry == "config.json":
                config = json.loads(content)
                config["config"]["layers"][2]["module"] = "subprocess"
                content = json.dumps(config).encode()
            bad.writestr(entry, content)
    with pytest.raises(NoClassifier, match=r"class of its own, subprocess\."):
        load(tmp_path / "bad.keras", tmp_path / "scratch")


def test_weights_without_a_network(tmp_path: Path) -> None:
    network().save_weights(tmp_path / "some.weights.h5")
    with pytest.raises(ModelError, match="has weights, and does not say of which network"):
        load(tmp_path / "some.weights.h5", tmp_path / "scratch")


def test_weights_in_other_files(tmp_path: Path) -> None:
    for name in ("link", "external", "virtual"):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            if name == "link":
                file["weights"] = h5py.ExternalLink("/etc/passwd", "/")
            elif name == "external":
                file.create_dataset("weights", (4,), "f4", external=[("/etc/passwd", 0, 16)])
            else:
                layout = h5py.VirtualLayout((4,), "f4")
                layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
                file.create_virtual_dataset("weights", layout)
        with pytest.raises(ModelError, match="links to other files"):
            check_weights(path)


def test_weights_beyond_all_measure(tmp_path: Path) -> None:
    """A kilobyte on disk that would be gigabytes in memory."""
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("weights", (2**33,), "f4", chunks=(2**20,), compression="gzip")
    assert path.stat().st_size < 10_000
    with pytest.raises(ModelError, match=r"of weights; 8\.6 GB are allowed"):
        check_weights(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    network().save(tmp_path / "whole.h5")
    content = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedModelFile, match="is damaged"):
        load(tmp_path / "half.h5", tmp_path / "scratch")


def test_a_layer_that_this_keras_does_not_know(tmp_path: Path) -> None:
    network().save(tmp_path / "pets.h5")
    with h5py.File(tmp_path / "pets.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1] = {
            "class_name": "TFOpLambda",
            "config": {"name": "tf.math.truediv", "function": "math.truediv"},
        }
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(NoClassifier, match=r"cannot load pets\.h5") as refused:
        load(tmp_path / "pets.h5", tmp_path / "scratch")
    assert "save it as a SavedModel" in refused.value.advice


class ReadsFiles(tf.Module):
    """A classifier that could read any file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = str(folder / "secret.txt")
        (folder / "secret.txt").write_text("secret")

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)])
    def classify(self, photos: Any) -> Any:
        read = tf.strings.length(tf.io.read_file(self._path))
        scores = tf.reduce_mean(photos, axis=[1, 2]) + tf.cast(read, tf.float32)
        return {"scores": tf.nn.softmax(scores)}


def test_a_saved_model_that_reads_files_needs_trust(tmp_path: Path) -> None:
    module = ReadsFiles(tmp_path)
    tf.saved_model.save(module, str(tmp_path / "reads"), signatures=module.classify)
    with pytest.raises(UntrustedModel, match="by ReadFile, and nobody has said") as refused:
        load(tmp_path / "reads", tmp_path / "scratch")
    assert refused.value.reasons == ("ReadFile",)
    source = load(tmp_path / "reads", tmp_path / "scratch", trust=True)
    folder = tmp_path / "models" / "mine" / "1"
    folder.mkdir(parents=True)
    written = write_version(
        folder, source, find_interface(source, []), CLASSES, card=ModelCard("mine", ())
    )
    assert written.unsafe_operations == ("ReadFile",)


class TakesTexts(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(self, texts: Any) -> Any:
        return {"scores": tf.nn.softmax(tf.one_hot(tf.strings.length(texts), 3))}


class Detects(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8)])
    def classify(self, photo: Any) -> Any:
        return {"boxes": tf.zeros([1, 10, 4]), "classes": tf.zeros([1, 10, 90])}


@pytest.mark.parametrize(
    ("module", "reason"),
    [(TakesTexts, "takes texts or records"), (Detects, "gives values of shape")],
)
def test_saved_models_that_do_not_classify_are_refused(
    module: type[Any], reason: str, tmp_path: Path
) -> None:
    made = module()
    tf.saved_model.save(made, str(tmp_path / "other"), signatures=made.classify)
    with pytest.raises(NoClassifier, match=reason):
        load(tmp_path / "other", tmp_path / "scratch")


def test_a_saved_model_without_signatures(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(NoClassifier, match="has no signatures"):
        load(tmp_path / "bare", tmp_path / "scratch")


def test_a_damaged_saved_model(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "saved_model.pb").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="is not the graph of a SavedModel"):
        load(tmp_path / "bad", tmp_path / "scratch")


def test_a_thousand_scores_and_999_labels(tmp_path: Path) -> None:
    source = source_of(network(1000))
    interface = find_interface(source, [])
    labels = tuple(f"class {number}" for number in range(999))
    with pytest.raises(UnusableLabels) as refused:
        write_version(tmp_path, source, interface, labels, card=ModelCard("mine", ()))
    assert "gives 1,000 scores, and the list of labels has 999 labels" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_answers_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tolerance is what refuses it: the largest difference is named."""
    source = source_of(network())
    monkeypatch.setattr(write, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="would not answer as the original: a score differs by"):
        write_version(
            tmp_path, source, find_interface(source, []), CLASSES, card=ModelCard("mine", ())
        )


def test_a_version_is_compared_with_the_model_as_it_came(tmp_path: Path) -> None:
    """Were the graph another one than the model, the difference would be seen."""
    source = source_of(network())
    other = source_of(network())
    changed = Source(**{**vars(source), "run": lambda batch: np.roll(other.run(batch), 1, axis=1)})
    with pytest.raises(ModelError, match="would not answer as the original"):
        write_version(
            tmp_path, changed, find_interface(source, []), CLASSES, card=ModelCard("mine", ())
        )

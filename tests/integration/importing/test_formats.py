"""Models of other programs become versions with the same scores, checked by the program's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from serving.importing.conversion import load_source
from serving.importing.facts import corrected, find_interface
from serving.importing.interface import (
    Channels,
    Corrections,
    ImportRequest,
    InputKind,
    Interface,
    ModelFormat,
    OutputKind,
    Resize,
    ValueRange,
)
from serving.importing.keras_source import source_of
from serving.importing.label_files import UnusableLabels
from serving.importing.model_file import find_model
from serving.importing.network import Network
from serving.importing.source import NoClassifier, Source
from serving.importing.write import WrittenVersion, sample_photos, write_version
from serving.models.card import ModelCard
from tests.support import imported_models
from tests.support.imported_models import CLASSES, SIDE, TEACHABLE_SIDE, network
from tests.support.keras_file import KERAS_FILE

# What TensorFlow says of the models of its own past.
pytestmark = pytest.mark.filterwarnings("ignore")


def load(path: Path, scratch: Path, **options: Any) -> Source:
    scratch.mkdir(exist_ok=True)
    file = find_model(path, scratch / "unpacked")
    return load_source(file, ImportRequest(str(path), **options), scratch)


def write(
    source: Source,
    interface: Interface,
    folder: Path,
    labels: tuple[str, ...] = CLASSES,
    runtime: str = "openvino",
) -> WrittenVersion:
    folder.mkdir(parents=True)
    written = write_version(folder, source, interface, labels, card=ModelCard("mine", ()))
    # The generated photos are too few for another precision.
    assert (written.card.runtime, written.card.precision) == (runtime, "f32")
    assert ModelCard.read(folder) == written.card
    return written


def answers(folder: Path, photos: list[bytes]) -> list[dict[str, float]]:
    """What an instance would answer, by class."""
    with LoadedVersion(folder) as version:
        classes, scores = version.predict(photos)
    return [
        {name.decode(): float(score) for name, score in zip(names, row, strict=True)}
        for names, row in zip(classes, scores, strict=True)
    ]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return tmp_path / "models" / "mine" / "1"


def test_a_keras_file_says_what_it_takes(tmp_path: Path, version: Path) -> None:
    network().save(tmp_path / "pets.keras")
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    source = load(tmp_path / "pets.keras", tmp_path / "scratch")
    assert source.format is ModelFormat.KERAS
    interface = find_interface(source, sample_photos())
    assert interface == Interface(
        signature="",
        takes=InputKind.FLOAT,
        height=SIDE,
        width=SIDE,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        resize=Resize.STRETCH,
        gives=OutputKind.SCORES,
        classes=3,
        embedding_size=8,
        guessed=("resize", "channels"),
    )
    written = write(source, interface, version)
    assert written.difference < 1e-5
    assert written.card.classes == CLASSES
    graph = ServableGraph(version)
    assert graph.head().kernel.shape == (16, 3)
    operations = {node.op for node in source.graph.node}
    assert "FusedBatchNormV3" not in operations
    assert "Rsqrt" not in operations
    with LoadedVersion(version) as loaded:
        assert loaded.embed(sample_photos()).shape == (4, 8)


def test_the_keras_file_of_the_tests_is_this_network(tmp_path: Path) -> None:
    """Of tests that must not load TensorFlow, whose file nothing would tell to be old."""
    network().save(tmp_path / "pets.keras")
    kept = load(KERAS_FILE, tmp_path / "kept")
    made = load(tmp_path / "pets.keras", tmp_path / "made")
    interface = find_interface(made, sample_photos())
    assert find_interface(kept, sample_photos()) == interface
    expected = Network(made, interface).reference(sample_photos())
    assert Network(kept, interface).reference(sample_photos()) == pytest.approx(expected, abs=1e-6)


def test_a_file_of_hdf5_is_the_same_model(tmp_path: Path, version: Path) -> None:
    model = network()
    model.save(tmp_path / "pets.h5")
    source = load(tmp_path / "pets.h5", tmp_path / "scratch")
    assert source.format is ModelFormat.KERAS_H5
    interface = find_interface(source, [])
    write(source, interface, version)
    pixels = Network(source_of(model), interface).reference(sample_photos())
    found = answers(version, sample_photos())
    for row, expected in zip(found, pixels, strict=True):
        assert [row[name] for name in CLASSES] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_model_of_teachable_machine_is_imported(
    tmp_path: Path, version: Path, zipped: bool
) -> None:
    """Its depthwise layer says `groups`, and the whole is in the layout of Keras 2."""
    path = imported_models.write_teachable_machine(tmp_path / "converted_keras", zipped=zipped)
    source = load(path, tmp_path / "scratch")
    assert source.format is ModelFormat.TEACHABLE_MACHINE
    interface = find_interface(source, [])
    assert (interface.height, interface.width) == (TEACHABLE_SIDE, TEACHABLE_SIDE)
    assert interface.value_range is ValueRange.SIGNED
    assert interface.resize is Resize.CROP
    assert interface.guessed == ()
    assert interface.embedding_size == 10
    write(source, interface, version)
    pixels = np.random.default_rng(1).uniform(-1, 1, (2, TEACHABLE_SIDE, TEACHABLE_SIDE, 3))
    expected = imported_models.teachable_machine_scores(pixels.astype(np.float32))
    np.testing.assert_allclose(source.run(pixels.astype(np.float32)), expected, atol=1e-5)


@pytest.mark.parametrize("takes", ["float", "uint8", "jpeg"])
@pytest.mark.parametrize("gives", ["scores", "logits"])
def test_a_saved_model_of_tensorflow_1_is_imported(
    tmp_path: Path, version: Path, takes: str, gives: str
) -> None:
    imported_models.write_tensorflow_1(tmp_path / "old", takes=takes, gives=gives)
    source = load(tmp_path / "old", tmp_path / "scratch")
    interface = find_interface(source, sample_photos())
    assert (interface.takes, interface.gives) == (InputKind(takes), OutputKind(gives))
    assert interface.embedding_size == 8
    assert "FusedBatchNorm" not in " ".join(node.op for node in source.graph.node)
    assert write(source, interface, version).difference < 1e-5


def test_a_signature_is_chosen(tmp_path: Path) -> None:
    imported_models.write_tensorflow_1(tmp_path / "old", two_signatures=True)
    source = load(tmp_path / "old", tmp_path / "scratch")
    assert (source.signature, source.choices) == ("serving_default", ("raw", "serving_default"))
    raw = load(tmp_path / "old", tmp_path / "scratch", corrections=Corrections(signature="raw"))
    assert find_interface(raw, sample_photos()).gives is OutputKind.LOGITS
    with pytest.raises(NoClassifier, match="no signature pair that classifies") as refused:
        load(tmp_path / "old", tmp_path / "scratch", corrections=Corrections(signature="pair"))
    assert "raw, serving_default" in refused.value.advice


def test_a_model_of_lobe_is_imported(tmp_path: Path, version: Path) -> None:
    imported_models.write_lobe(tmp_path / "Pets TensorFlow")
    source = load(tmp_path / "Pets TensorFlow", tmp_path / "scratch")
    assert source.format is ModelFormat.LOBE
    interface = find_interface(source, [])
    assert (interface.value_range, interface.guessed) == (ValueRange.UNIT, ())
    assert write(source, interface, version).difference < 1e-5


def test_a_saved_model_of_keras_3(tmp_path: Path, version: Path) -> None:
    network().export(tmp_path / "export", verbose=False)
    source = load(tmp_path / "export", tmp_path / "scratch")
    interface = find_interface(source, [])
    assert (interface.signature, interface.value_range) == ("serving_default", ValueRange.BYTES)
    assert write(source, interface, version).difference < 1e-5


@pytest.mark.parametrize(
    ("value_range", "channels", "resize"),
    [
        (ValueRange.BYTES, Channels.RGB, Resize.CROP),
        (ValueRange.UNIT, Channels.RGB, Resize.STRETCH),
        (ValueRange.SIGNED, Channels.BGR, Resize.PAD),
        (ValueRange.IMAGENET, Channels.BGR, Resize.CROP),
        (ValueRange.CAFFE, Channels.BGR, Resize.STRETCH),
        (ValueRange.CAFFE, Channels.RGB, Resize.PAD),
    ],
)
def test_each_preprocessing_is_in_the_graph(
    version: Path, value_range: ValueRange, channels: Channels, resize: Resize
) -> None:
    source = source_of(network(shape=(20, 30, 3), rescale=False))
    found = find_interface(source, [])
    assert "value_range" in found.guessed
    interface = corrected(
        found, Corrections(value_range=value_range, channels=channels, resize=resize)
    )
    assert interface.guessed == ()
    assert write(source, interface, version).difference < 1e-5


def test_a_network_of_any_size_gets_the_one_that_is_given(version: Path) -> None:
    source = source_of(network(shape=(None, None, 3)))
    found = find_interface(source, [])
    assert {"height", "width"} <= set(found.guessed)
    assert (found.height, found.width) == (224, 224)
    interface = corrected(found, Corrections(height=40, width=60))
    assert write(source, interface, version).difference < 1e-5


def test_a_model_of_one_channel_gets_gray_photos(version: Path) -> None:
    source = source_of(network(shape=(28, 28, 1)))
    interface = find_interface(source, [])
    assert interface.channels is Channels.GRAY
    assert write(source, interface, version).difference < 1e-5


def test_one_score_is_two_classes(version: Path) -> None:
    source = source_of(network(1, activation="sigmoid"))
    interface = find_interface(source, [])
    assert (interface.classes, interface.exclusive) == (2, True)
    assert write(source, interface, version, ("cat", "dog")).difference < 1e-5
    (row, *_) = answers(version, sample_photos())
    assert row["cat"] + row["dog"] == pytest.approx(1)
    with pytest.raises(UnusableLabels, match="gives 2 scores, and the list of labels has 1 label"):
        write(source, interface, version.with_name("2"), ("cat",))


def test_scores_of_their_own_stay_so(version: Path) -> None:
    source = source_of(network(3, activation="sigmoid"))
    interface = find_interface(source, [])
    assert not interface.exclusive
    written = write(source, interface, version)
    assert written.difference < 1e-5
    assert "do not sum up to 100%" in written.card.description
    sums = [sum(row.values()) for row in answers(version, sample_photos())]
    assert max(abs(total - 1) for total in sums) > 0.1


def test_scores_without_a_last_layer_are_kept(version: Path) -> None:
    """Learning sees the logarithms of the scores then."""
    import keras

    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(3, 5, strides=4, activation="relu")(inputs / 255.0)
    x = keras.layers.GlobalMaxPooling2D()(x)
    outputs = (x + 0.01) / keras.ops.sum(x + 0.01, axis=1, keepdims=True)
    source = source_of(keras.Model(inputs, outputs))
    interface = find_interface(source, sample_photos())
    assert (interface.gives, interface.embedding_size) == (OutputKind.SCORES, None)
    written = write(source, interface, version)
    assert written.difference < 1e-5
    assert "no layer below" in written.card.description
    kernel = ServableGraph(version).head().kernel
    np.testing.assert_array_equal(kernel[:3], np.eye(3))


def test_a_last_convolution_is_a_layer(version: Path) -> None:
    import keras

    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(7, 3, strides=4, activation="relu")(inputs)
    x = keras.layers.Conv2D(3, 1)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    source = source_of(keras.Model(inputs, keras.layers.Softmax()(x)))
    interface = find_interface(source, [])
    assert interface.embedding_size == 7
    assert write(source, interface, version).difference < 1e-5


def test_a_model_of_a_fixed_batch_of_one_is_imported(tmp_path: Path, version: Path) -> None:
    model = network()

    class Single(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32)])
        def classify(self, photo: Any) -> Any:
            return {"scores": model(photo, training=False)}

    module = Single()
    module.model = model
    tf.saved_model.save(module, str(tmp_path / "single"), signatures=module.classify)
    source = load(tmp_path / "single", tmp_path / "scratch")
    assert source.one_at_a_time
    # Its network is called for a photo at a time, which OpenVINO cannot be given.
    written = write(source, find_interface(source, []), version, runtime="tensorflow")
    assert written.difference < 1e-5

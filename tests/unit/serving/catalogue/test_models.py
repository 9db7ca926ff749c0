"""The catalogue says of each model what Keras itself downloads and checks."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from serving.catalogue.models import CLASSES, ORIGIN, CatalogueModel, catalogue_models
from serving.importing.interface import Channels, ValueRange
from serving.models.model_names import checked_model_name

QUICK = ("mobilenet-v3-small", "mobilenet-v2", "convnext-tiny")
"""The smallest three, with a checksum and without, built in the normal run, too."""
MODELS = [
    pytest.param(each.name, marks=() if each.name in QUICK else pytest.mark.long)
    for each in catalogue_models()
]


class _Asked(Exception):
    """Ends the building of a network once it asks for its weights."""


def asked_for(model: CatalogueModel, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """Return what Keras would download for a model, and how large its network is."""
    import keras

    asked: list[Any] = []
    network: list[Any] = []
    build = getattr(keras.applications, model.architecture)
    module = importlib.import_module(build.__module__)

    def get_file(name: str, origin: str, **options: Any) -> None:
        asked.extend((name, origin, options.get("file_hash")))
        raise _Asked

    class Functional(module.Functional):  # type: ignore[name-defined]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            network[:] = [self]

    monkeypatch.setattr(module.file_utils, "get_file", get_file)
    monkeypatch.setattr(module, "Functional", Functional)
    # No weight gets a value: hundreds of millions of random numbers that nothing looks at.
    with keras.StatelessScope(), pytest.raises(_Asked):
        build(weights="imagenet")
    return *asked, network[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_facts_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (model,) = (each for each in catalogue_models() if each.name == name)
    file_name, origin, checksum, network = asked_for(model, monkeypatch)
    assert file_name == model.file_name
    assert origin == f"{ORIGIN}/{model.path}"
    assert (checksum or "") == model.checksum
    # MobileNetV3 takes photos of any size.
    assert network.input_shape in ((None, model.side, model.side, 3), (None, None, None, 3))
    assert network.output_shape == (None, CLASSES)
    assert network.count_params() == pytest.approx(model.parameters, rel=0.03)


@pytest.mark.filterwarnings("ignore")
def test_pixels_are_scaled_as_keras_does() -> None:
    import keras
    import numpy as np

    scaled = {
        ValueRange.BYTES: lambda pixels: pixels,
        ValueRange.SIGNED: lambda pixels: pixels / 127.5 - 1,
        ValueRange.CAFFE: lambda pixels: pixels - (123.68, 116.779, 103.939),
    }
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 4, 4, 3))
    for model in catalogue_models():
        module = importlib.import_module(getattr(keras.applications, model.architecture).__module__)
        ours = scaled[model.value_range](pixels)
        if model.channels is Channels.BGR:
            ours = ours[..., ::-1]
        np.testing.assert_allclose(module.preprocess_input(pixels.copy()), ours, atol=1e-4)


def test_names_are_names_of_models() -> None:
    names = [model.name for model in catalogue_models()]
    assert len(set(names)) == len(names)
    assert [checked_model_name(name) for name in names] == names

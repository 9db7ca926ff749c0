"""The mean embedding of a Keras network is found in its normalization layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from serving.importing.embedding_mean import embedding_mean

pytestmark = pytest.mark.filterwarnings("ignore")

SIDE = 16


def trained(model: Any) -> tuple[Any, Any]:
    """Give each normalization the statistics of some data, and a mean and deviation of its own."""
    generator = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization | layers.LayerNormalization):
            size = layer.gamma.shape
            layer.gamma.assign(generator.uniform(0.3, 1.5, size))
            layer.beta.assign(generator.normal(0, 0.7, size))
    pixels = generator.normal(0, 1, (256, SIDE, SIDE, 3)).astype(np.float32)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            seen = keras.Model(model.input, layer.input)(pixels)
            layer.moving_mean.assign(np.mean(seen, axis=(0, 1, 2)))
            layer.moving_variance.assign(np.var(seen, axis=(0, 1, 2)))
    return model, pixels


def normalized(x: Any, channels: int = 24) -> Any:
    return layers.BatchNormalization()(layers.Conv2D(channels, 3, padding="same")(x))


def plain(x: Any) -> Any:
    return layers.ReLU(6.0)(normalized(x))


def swish(x: Any) -> Any:
    return layers.Activation("swish")(normalized(x))


def branches(x: Any) -> Any:
    return layers.Concatenate()([plain(x), swish(x)])


def residual(x: Any) -> Any:
    return layers.Activation("relu")(layers.Add()([normalized(x), plain(normalized(x))]))


@pytest.mark.parametrize("body", [plain, swish, branches, residual])
def test_the_mean_is_that_of_embeddings(body: Callable[[Any], Any]) -> None:
    x = keras.Input((SIDE, SIDE, 3))
    embedding = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(body(x)))
    model, pixels = trained(keras.Model(x, layers.Dense(5, activation="softmax")(embedding)))
    found = embedding_mean(model)
    assert found is not None
    seen = np.mean(keras.Model(model.input, embedding)(pixels), axis=0)
    assert found @ seen / np.linalg.norm(found) / np.linalg.norm(seen) > 0.99


def test_a_layer_that_normalizes_last_says_it_directly() -> None:
    x = keras.Input((SIDE, SIDE, 3))
    embedding = layers.LayerNormalization()(layers.GlobalAveragePooling2D()(plain(x)))
    model, _ = trained(keras.Model(x, layers.Dense(5)(embedding)))
    found = embedding_mean(model)
    assert found is not None
    np.testing.assert_allclose(found, model.layers[-2].beta, rtol=1e-6)


def test_a_layer_behind_the_mean_is_computed() -> None:
    x = keras.Input((SIDE, SIDE, 3))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(plain(x))
    hidden = layers.Activation("hard_swish")(layers.Conv2D(40, 1)(pooled))
    output = layers.Flatten()(layers.Conv2D(5, 1)(hidden))
    model, pixels = trained(keras.Model(x, layers.Activation("softmax")(output)))
    found = embedding_mean(model)
    assert found is not None
    seen = np.mean(keras.Model(model.input, hidden)(pixels), axis=(0, 1, 2))
    assert found @ seen / np.linalg.norm(found) / np.linalg.norm(seen) > 0.95


@pytest.mark.parametrize("name", ["untrained", "no normalization", "another layer"])
def test_what_weights_do_not_say_is_not_known(name: str) -> None:
    x = keras.Input((SIDE, SIDE, 3))
    bodies: dict[str, Callable[[Any], Any]] = {
        "untrained": plain,
        "no normalization": lambda x: layers.Conv2D(8, 3, activation="relu")(x),
        "another layer": lambda x: layers.MaxPooling2D()(plain(x)),
    }
    embedding = layers.GlobalAveragePooling2D()(bodies[name](x))
    model = keras.Model(x, layers.Dense(5)(embedding))
    if name != "untrained":
        model, _ = trained(model)
    assert embedding_mean(model) is None

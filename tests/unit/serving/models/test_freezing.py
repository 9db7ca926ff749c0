"""A Keras network becomes constants, with batch normalisation folded in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.models.freezing import freeze


@pytest.fixture(scope="module")
def network() -> Any:
    """A residual network whose every normalisation does something."""
    import keras

    generator = np.random.default_rng(1)
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(pixels)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    y = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2)(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.Conv2D(4, 1, use_bias=False)(y)
    y = keras.layers.BatchNormalization()(y)
    x = keras.layers.Add()([x, y])
    x = keras.layers.BatchNormalization(name="not_behind_a_convolution")(x)
    model = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))
    for variable in model.variables:
        spread = generator.uniform(0.5, 1.5, variable.shape)
        variable.assign(spread if "variance" in variable.path else spread - 0.7)
    return model


def test_constants_answer_as_the_network_does(network: Any) -> None:
    images = np.random.default_rng(2).normal(size=(5, 8, 8, 3)).astype(np.float32)
    run = freeze(lambda x: network(x, training=False), (None, 8, 8, 3))
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        placeholder = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3])
        answer = session.run(run(placeholder), {placeholder: images})
        operations = Counter(node.op for node in graph.as_graph_def().node)
    np.testing.assert_allclose(answer, network(images, training=False), rtol=1e-4, atol=1e-5)
    assert operations["BiasAdd"] == 3
    assert operations["Rsqrt"] == 0
    assert operations["ReadVariableOp"] == 0
    assert operations["Mul"] == 1

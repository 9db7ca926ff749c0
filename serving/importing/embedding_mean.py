"""What the embedding of a Keras network is on average, from its weights alone.

Teaching a model that keeps its classes needs that, and there are no photos to measure it on. A
normalization layer gives each channel a mean and a deviation that stand in its weights. From there
the mean goes through activations, sums and pooling to the layer in front of the classes, channels
taken as normally distributed and independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_Moments = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Mean and deviation of each channel."""

_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_SHARES = _WEIGHTS / _WEIGHTS.sum()
_MAX_LAYERS = 200
"""Between the embedding and the normalizations; a network that has more is another kind."""
_MIN_SPREAD = 1e-3
"""Between the channels of a normalization that has learned something."""
_POOLED = (keras.layers.GlobalAveragePooling2D, keras.layers.AveragePooling2D)
_SAME = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Identity,
)
_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
)


class _NotKnown(Exception):
    """A layer of which the weights do not say what it gives on average."""


def embedding_mean(model: Any) -> Floats | None:
    """Return about the mean [D] of what the last layer with weights sees; None if not known."""
    try:
        walk = _Walk()
        operation, inputs = walk.origin(model.output)
        while isinstance(operation, (*_SAME, *_ACTIVATIONS, keras.layers.Softmax)):
            operation, inputs = walk.origin(inputs[0])
        if not isinstance(operation, keras.layers.Dense | keras.layers.Conv2D):
            return None
        mean, _ = walk.moments(inputs[0])
    except (_NotKnown, AttributeError, IndexError, ValueError):
        return None
    return np.asarray(mean, np.float32) if np.isfinite(mean).all() else None


class _Walk:
    """Goes back through the layers of one model."""

    def __init__(self) -> None:
        self._layers = 0

    def origin(self, tensor: Any) -> tuple[Any, list[Any]]:
        """Return the layer that gives a symbolic tensor, and what it is given."""
        self._layers += 1
        if self._layers > _MAX_LAYERS:
            raise _NotKnown
        operation, node, _ = tensor._keras_history
        return operation, operation._inbound_nodes[node].input_tensors

    def moments(self, tensor: Any) -> _Moments:
        """Return mean and deviation of each channel of a tensor; raises _NotKnown."""
        layer, inputs = self.origin(tensor)
        if isinstance(layer, keras.layers.BatchNormalization | keras.layers.LayerNormalization):
            return _of_normalization(layer, tensor.shape[-1])
        if isinstance(layer, _POOLED):
            mean, deviation = self.moments(inputs[0])
            return mean, np.zeros_like(deviation)
        if isinstance(layer, _SAME):
            return self.moments(inputs[0])
        if isinstance(layer, _ACTIVATIONS):
            return _activated(layer, self.moments(inputs[0]))
        if isinstance(layer, keras.layers.Concatenate):
            parts = [self.moments(each) for each in inputs]
            return (
                np.concatenate([mean for mean, _ in parts]),
                np.concatenate([deviation for _, deviation in parts]),
            )
        if isinstance(layer, keras.layers.Add):
            parts = [self.moments(each) for each in inputs]
            total = sum((mean for mean, _ in parts), np.zeros(1))
            variance = sum((deviation**2 for _, deviation in parts), np.zeros(1))
            return total, np.sqrt(variance)
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            return self._after_weights(layer, inputs[0])
        raise _NotKnown

    def _after_weights(self, layer: Any, tensor: Any) -> _Moments:
        """The mean of a product is the product of the mean; how far it varies is not known."""
        mean, deviation = self.moments(tensor)
        kernel = np.asarray(layer.kernel)
        if deviation.any() or kernel.size != kernel.shape[-2] * kernel.shape[-1]:
            raise _NotKnown
        found = mean @ kernel.reshape(kernel.shape[-2:])
        if layer.use_bias:
            found = found + np.asarray(layer.bias)
        return _activated(layer.activation, (found, np.zeros_like(found)))


def _of_normalization(layer: Any, channels: int) -> _Moments:
    beta = np.zeros(channels) if layer.beta is None else np.asarray(layer.beta)
    gamma = np.ones(channels) if layer.gamma is None else np.abs(layer.gamma)
    if np.ptp(beta) < _MIN_SPREAD and np.ptp(gamma) < _MIN_SPREAD:
        # Never trained, or folded into the layer before: it says nothing.
        raise _NotKnown
    return beta, gamma


def _activated(function: Callable[[Any], Any], moments: _Moments) -> _Moments:
    """Integrate a function of each channel over its distribution."""
    mean, deviation = moments
    values = np.asarray(function((mean + _POINTS[:, np.newaxis] * deviation).astype(np.float32)))
    after = _SHARES @ values
    variance = np.maximum(_SHARES @ (values - after) ** 2, 0)
    return after, np.sqrt(variance)

"""The weights of EfficientNet-Lite, from PyTorch's form into that of our graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError
from serving.models.builtin.efficientnet import EMBEDDING_SIZE, Variant, blocks
from serving.models.graph_template import float_tensor
from serving.tf.tensors import Tensor

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

BATCH_NORM_EPSILON = 1e-3
_HEAD = "_fc"
_RELU6_LIMIT = 6.0


@dataclass(frozen=True)
class FoldedWeights:
    """The weights of a network in the form in which a graph computes with them."""

    constants: dict[str, Tensor]
    """Kernels and biases by the names of their nodes, batch normalization included."""
    head_kernel: Floats
    """[EMBEDDING_SIZE, classes]"""
    head_bias: Floats
    embedding_mean: Floats
    """[EMBEDDING_SIZE]: about the mean embedding of the photos that the network learned from."""


def fold(variant: Variant, weights: Mapping[str, Array]) -> FoldedWeights:
    """Bring the weights of a PyTorch file into the form of our graphs.

    Raises ModelError unless `weights` has exactly the tensors of the network, in their shapes.
    """
    left = dict(weights)

    def take(name: str, *shape: int) -> Array:
        if name not in left or (shape and left[name].shape != shape):
            raise _other_network(f"{name} is missing or has another shape")
        return left.pop(name)

    constants: dict[str, Tensor] = {}
    beta = gamma = np.zeros(0, np.float32)
    for convolution in (each for block in blocks(variant) for each in block.convolutions):
        height, width, inputs, outputs = convolution.kernel_shape
        # PyTorch has outputs first, then inputs; a depthwise kernel has 1 input for each output.
        order = (2, 3, 0, 1) if convolution.is_depthwise else (2, 3, 1, 0)
        shape = (inputs, 1) if convolution.is_depthwise else (outputs, inputs)
        kernel = take(f"{convolution.name}.weight", *shape, height, width)
        gamma, beta, mean, variance = (
            take(f"{convolution.norm}.{part}", convolution.outputs)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        take(f"{convolution.norm}.num_batches_tracked")
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        across = scale[:, np.newaxis] if convolution.is_depthwise else scale
        constants[convolution.kernel_node] = float_tensor(kernel.transpose(order) * across)
        constants[convolution.bias_node] = float_tensor(beta - mean * scale)
    kernel, bias = take(f"{_HEAD}.weight"), take(f"{_HEAD}.bias")
    if kernel.shape != (len(bias), EMBEDDING_SIZE):
        raise _other_network("the head has another shape")
    if left:
        raise _other_network(f"nothing uses {min(left)}")
    # What the last convolution gives, before its ReLU6 and the mean over the plane.
    embedding_mean = _mean_of_relu6(beta, np.abs(gamma))
    return FoldedWeights(constants, kernel.T, bias, embedding_mean)


def _mean_of_relu6(mean: Array, deviation: Array) -> Floats:
    """Return the mean of relu6(x) for normally distributed x.

    Batch normalization gives the activations before the embedding this mean and deviation.
    """

    def mean_above(limit: float) -> Any:
        """The mean of max(x - limit, 0)."""
        distance = (mean - limit) / deviation
        density = np.exp(-(distance**2) / 2) / math.sqrt(2 * math.pi)
        share = np.array([(1 + math.erf(each / math.sqrt(2))) / 2 for each in distance])
        return deviation * density + (mean - limit) * share

    return np.asarray(mean_above(0.0) - mean_above(_RELU6_LIMIT), np.float32)


def _other_network(why: str) -> ModelError:
    return ModelError(
        f"The weights are not those of the built-in network: {why}.",
        "Install Servery again to restore them.",
    )

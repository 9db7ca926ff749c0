"""EfficientNet-Lite as a TensorFlow graph of constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serving.models.builtin.efficientnet import (
    PIXEL_MEAN,
    PIXEL_SCALE,
    Convolution,
    Variant,
    blocks,
)


def network(variant: Variant) -> Callable[[Any], Any]:
    """Return the function from pixels [N, side, side, 3] of 0 to 255 to embeddings [N, D].

    Its weights are zeros, under the names of `Convolution.kernel_node` and `bias_node`.
    """

    def embed(pixels: Any) -> Any:
        x = (pixels - PIXEL_MEAN) * (1 / PIXEL_SCALE)
        for block in blocks(variant):
            before = x
            for convolution in block.convolutions:
                x = _convolved(x, convolution)
            if block.is_residual:
                x = x + before
        return tf.reduce_mean(x, axis=[1, 2])

    return embed


def _convolved(x: Any, convolution: Convolution) -> Any:
    kernel = tf.constant(
        np.zeros(convolution.kernel_shape, np.float32), name=convolution.kernel_node
    )
    bias = tf.constant(np.zeros(convolution.outputs, np.float32), name=convolution.bias_node)
    stride = convolution.stride
    # In this order, TensorFlow and OpenVINO compute the three as one operation.
    if convolution.is_depthwise:
        x = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
    else:
        x = tf.nn.conv2d(x, kernel, stride, "SAME")
    x = tf.nn.bias_add(x, bias)
    return tf.nn.relu6(x) if convolution.is_activated else x

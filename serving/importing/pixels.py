"""From JPEG files to what the input of a model takes, inside a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from serving.importing.interface import Channels, InputKind, Interface, Resize, ValueRange
from serving.models.servable import decode_reduced, scaled

_SPARE_DETAIL = 4
"""As in `serving.models.servable`."""
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Red, green, blue, of 0 to 255."""


def decode_photo(image: Any, interface: Interface) -> Any:
    """Turn one JPEG file into float pixels `[height, width, 3]` of 0 to 255, red first."""
    height, width = input_size(interface)
    shape = tf.cast(tf.image.extract_jpeg_shape(image)[:2], tf.float32)
    target = tf.constant([height, width], tf.float32)
    pads = interface.resize is Resize.PAD
    # How much larger than the input the photo is, along the side that decides its scale.
    larger = (tf.reduce_max if pads else tf.reduce_min)(shape / target)
    pixels = decode_reduced(image, larger, _SPARE_DETAIL)
    size = tf.cast(tf.shape(pixels)[:2], tf.float32)
    if interface.resize is Resize.STRETCH:
        scale = target / size
    else:
        fit = (tf.reduce_min if pads else tf.reduce_max)(target / size)
        scale = tf.stack([fit, fit])
    return scaled(pixels[tf.newaxis], (height, width), scale, (target - size * scale) / 2)


def network_input(pixels: Any, interface: Interface) -> Any:
    """Return what the network takes, from float pixels `[N, height, width, 3]` of 0 to 255."""
    if interface.channels is Channels.GRAY:
        pixels = tf.image.rgb_to_grayscale(pixels)
    elif interface.channels is Channels.BGR:
        pixels = tf.reverse(pixels, axis=[3])
    if interface.takes is InputKind.UINT8:
        return tf.cast(tf.round(pixels), tf.uint8)
    scale, offset = scaling(interface)
    if (scale != 1).any():
        pixels = pixels * scale
    return pixels + offset if offset.any() else pixels


def scaling(interface: Interface) -> tuple[Any, Any]:
    """Return what pixels of 0 to 255 are multiplied by and what is added then, float32 [C]."""
    scale, offset = np.ones(3), np.zeros(3)
    match interface.value_range:
        case ValueRange.UNIT:
            scale = np.full(3, 1 / 255)
        case ValueRange.SIGNED:
            scale, offset = np.full(3, 2 / 255), np.full(3, -1.0)
        case ValueRange.IMAGENET:
            scale = 1 / (255 * np.array(_IMAGENET_DEVIATION))
            offset = -np.array(_IMAGENET_MEAN) / np.array(_IMAGENET_DEVIATION)
        case ValueRange.CAFFE:
            offset = -np.array(_CAFFE_MEAN)
    if interface.channels is Channels.BGR:
        scale, offset = scale[::-1], offset[::-1]
    elif interface.channels is Channels.GRAY:
        scale, offset = scale.mean(keepdims=True), offset.mean(keepdims=True)
    return scale.astype(np.float32), offset.astype(np.float32)


def input_size(interface: Interface) -> tuple[int, int]:
    """Return height and width of what is made of a photo."""
    assert interface.height is not None
    assert interface.width is not None
    return interface.height, interface.width


def preprocessing_text(interface: Interface) -> str:
    """Say in words what happens to a photo before the network sees it."""
    if interface.takes is InputKind.JPEG:
        return "whole JPEG files; the network decodes and resizes by itself"
    height, width = input_size(interface)
    size = f"{width}x{height} pixels, bicubic"
    parts = [
        {
            Resize.CROP: f"scaled until it covers {size}; the middle",
            Resize.STRETCH: f"stretched to {size}",
            Resize.PAD: f"scaled until it fits into {size}; black around it",
        }[interface.resize]
    ]
    if interface.channels is Channels.GRAY:
        parts.append("gray")
    elif interface.channels is Channels.BGR:
        parts.append("channels blue, green, red")
    if interface.takes is InputKind.FLOAT:
        parts.append(
            {
                ValueRange.BYTES: "0 to 255",
                ValueRange.UNIT: "pixel / 255",
                ValueRange.SIGNED: "pixel / 127.5 - 1",
                ValueRange.IMAGENET: "(pixel / 255 - ImageNet's mean) / its deviation",
                ValueRange.CAFFE: "pixel - ImageNet's mean",
            }[interface.value_range]
        )
    return "; ".join(parts)

"""The network of the tiny model: how bright, how colorful and how edged each part of a photo is.

It costs next to nothing and its answers mean something: photos of different colors and of
different patterns have different embeddings, so it tells colors apart and can be taught more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIDE = 32
GRID = 4
"""Parts of a photo in each direction."""
COLOR_CHANNELS = 3
"""The first channels of a part are its mean red, green and blue, 0 to 1."""


def _weights() -> tuple[Floats, Floats]:
    """Kernel [3, 3, 3, channels] and bias [channels] of the one convolution."""
    kernels: list[Any] = []
    bias: list[float] = []

    def add(planes: Any, offset: float) -> None:
        kernels.append(planes)
        bias.append(offset)

    for sign, offset in ((1.0, 0.0), (-1.0, 1.0)):  # a color, then what it lacks of full
        for channel in range(COLOR_CHANNELS):
            plane = np.zeros((3, 3, 3))
            plane[1, 1, channel] = sign
            add(plane, offset)
    down = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]) / 4
    falling = np.array([[2, 1, 0], [1, 0, -1], [0, -1, -2]]) / 4
    for edge in (down, down.T, falling, falling[:, ::-1]):
        for sign in (1.0, -1.0):
            add(np.repeat(sign * edge[:, :, None], 3, axis=2), 0.0)
    return np.stack(kernels, axis=-1).astype(np.float32), np.array(bias, np.float32)


KERNEL, BIAS = _weights()
CHANNELS = len(BIAS)
EMBEDDING_SIZE = GRID * GRID * CHANNELS


def embedding(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return what the graph computes of `pixels` [SIDE, SIDE, 3]: [EMBEDDING_SIZE]."""
    padded = np.pad(pixels / 255, ((1, 1), (1, 1), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    convolved = np.einsum("yxcij,ijco->yxo", windows, KERNEL) + BIAS
    part = SIDE // GRID
    parts = np.maximum(convolved, 0).reshape(GRID, part, GRID, part, CHANNELS).mean(axis=(1, 3))
    return np.asarray(parts.reshape(EMBEDDING_SIZE), np.float32)

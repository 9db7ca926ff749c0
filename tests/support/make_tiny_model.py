"""Make the graph of the tiny model: `python -m tests.support.make_tiny_model`.

Needed once, with TensorFlow, after a change to `serving/models/servable.py` or to the network.
Tests fill in the head without TensorFlow: see `tiny_model.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.models.servable import write_servable
from serving.tf.names import SAVED_MODEL_FILE
from tests.support.tiny_model import TEMPLATE
from tests.support.tiny_network import BIAS, EMBEDDING_SIZE, GRID, KERNEL, SIDE


def embed(pixels: Any) -> Any:
    """Float pixels [N, SIDE, SIDE, 3] of 0 to 255 to [N, EMBEDDING_SIZE]."""
    padded = tf.pad(pixels / 255, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    convolved = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(padded, KERNEL, 1, "VALID"), BIAS))
    parts = tf.nn.avg_pool2d(convolved, SIDE // GRID, SIDE // GRID, "VALID")
    return tf.reshape(parts, [-1, EMBEDDING_SIZE])


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "1"
        folder.mkdir()
        write_servable(
            folder,
            side=SIDE,
            embed=embed,
            head_kernel=np.zeros((2 * EMBEDDING_SIZE, 0), np.float32),
            head_bias=np.zeros(0, np.float32),
            classes=[],
        )
        shutil.copyfile(folder / SAVED_MODEL_FILE, TEMPLATE)


if __name__ == "__main__":
    main()

"""Writes the graphs of the built-in models, without their weights, into `resources/graphs`.

    python -m serving.models.builtin.build_templates [--out FOLDER]

Needed once, with TensorFlow, after a change to the network or to `serving/models/servable.py`.
Installing a model fills the weights in without TensorFlow.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from serving.models.builtin.catalog import RESOURCES, ZOOM, built_in_models
from serving.models.builtin.efficientnet import EMBEDDING_SIZE, Variant, blocks
from serving.models.builtin.network import network
from serving.models.graph_template import without_values
from serving.models.servable import write_servable
from serving.tf.names import SAVED_MODEL_FILE


def template(variant: Variant) -> bytes:
    """Return the content of a `saved_model.pb` whose weights have no values and no classes."""
    with tempfile.TemporaryDirectory() as folder:
        write_servable(
            Path(folder),
            side=variant.side,
            embed=network(variant),
            head_kernel=np.zeros((2 * EMBEDDING_SIZE, 0), np.float32),
            head_bias=np.zeros(0, np.float32),
            classes=[],
            zoom=ZOOM,
        )
        saved_model = (Path(folder) / SAVED_MODEL_FILE).read_bytes()
    convolutions = [each for block in blocks(variant) for each in block.convolutions]
    weights = [name for each in convolutions for name in (each.kernel_node, each.bias_node)]
    return without_values(saved_model, frozenset(weights))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the graphs of the built-in models.")
    parser.add_argument("--out", type=Path, default=RESOURCES / "graphs")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for model in built_in_models():
        path = out / model.template.name
        path.write_bytes(template(model.variant))
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

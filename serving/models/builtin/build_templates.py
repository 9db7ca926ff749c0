"""Writes the graphs of the built-in models, without their weights, into `resources/graphs`.

Beside each graph it writes what the network sees in the photo of the warm-up records.

    python -m serving.models.builtin.build_templates [--out FOLDER]

Needed once, with TensorFlow, after a change to the network or to `serving/models/servable.py`.
Installing a model fills the weights in without TensorFlow.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from serving.models.builtin.catalog import RESOURCES, ZOOM, BuiltInModel, built_in_models
from serving.models.builtin.efficientnet import EMBEDDING_SIZE, Variant, blocks
from serving.models.builtin.folding import fold
from serving.models.builtin.install import graph
from serving.models.builtin.network import network
from serving.models.builtin.torch_weights import read_torch_weights
from serving.models.graph_template import without_values
from serving.models.servable import write_servable
from serving.models.warm_up import warm_up_photo
from serving.tf.names import EMBEDDING_NODE, IMAGES, SAVED_MODEL_FILE, SERVE_TAG
from serving.tf.session import Session
from serving.tf.tensors import string_tensor


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


def warm_up_embedding(model: BuiltInModel) -> Any:
    """Return what TensorFlow sees in the photo of the warm-up records, float32 [D].

    The weights come from the installed package, the graph from `resources/graphs`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = fold(model.variant, read_torch_weights(model.weights))
        (folder / SAVED_MODEL_FILE).write_bytes(graph(model, weights))
        session = Session(folder, [SERVE_TAG], 1, 1, trusted=True)
        compute = session.computation([IMAGES], [EMBEDDING_NODE])
        (embeddings,) = compute([string_tensor([warm_up_photo()])], None)
        session.close()
    return embeddings.array[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the graphs of the built-in models.")
    parser.add_argument("--out", type=Path, default=RESOURCES / "graphs")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for model in built_in_models():
        path = out / model.template.name
        path.write_bytes(template(model.variant))
        print(f"{path}: {path.stat().st_size:,} bytes")
        np.save(out / model.warm_up_embedding.name, warm_up_embedding(model))


if __name__ == "__main__":
    main()

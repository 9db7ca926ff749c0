"""The reference MobileNetV2 of the shared data, as a plain Keras export and as our servable.

    python -m tests.benchmarks.reference_model FOLDER

writes `FOLDER/plain/1` (a SavedModel that takes JPEG files, through Keras's own
export) and `FOLDER/servable/1` (the same network, folded and frozen).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIDE = 224
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def write_reference_models(folder: Path) -> None:
    """Write both exports; needs the shared data and takes about half a minute."""
    os.environ["KERAS_HOME"] = str(DATA / "keras")
    import keras
    import tensorflow as tf

    from serving.models.card import CARD_PATH, ModelCard
    from serving.models.freezing import freeze
    from serving.models.servable import decode_square, write_servable

    names = (DATA / "imagenet_classes.txt").read_text().splitlines()
    network = keras.applications.MobileNetV2(weights="imagenet")
    below = keras.Model(network.input, network.layers[-2].output)
    kernel, bias = network.layers[-1].get_weights()

    servable = folder / "servable" / "1"
    servable.mkdir(parents=True)
    embed = freeze(lambda x: below(x, training=False), (None, SIDE, SIDE, 3))
    write_servable(
        servable,
        side=SIDE,
        embed=lambda pixels: embed(pixels / 127.5 - 1.0),
        head_kernel=kernel,
        head_bias=bias,
        classes=names,
    )
    card = ModelCard("reference", tuple(names), input_side=SIDE, embedding_size=len(kernel))
    (servable / CARD_PATH).write_text(card.to_json())

    class Plain(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels = tf.map_fn(
                lambda image: decode_square(image, SIDE),
                images,
                fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32),
            )
            return {"scores": self.network(pixels / 127.5 - 1.0, training=False)}

    module = Plain()
    tf.saved_model.save(module, str(folder / "plain" / "1"), signatures=module.serve)


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the reference MobileNetV2 twice.")
    parser.add_argument("folder", type=Path)
    write_reference_models(parser.parse_args().folder)


if __name__ == "__main__":
    main()

"""Models as other programs write them: Keras 2 and 3, Teachable Machine, Lobe, TensorFlow 1."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

CLASSES = ("zebra", "cat", "t-shirt")
"""Not in the order of the alphabet."""
SIDE = 32
TEACHABLE_SIDE = 24


def network(
    classes: int = 3,
    *,
    shape: tuple[int | None, int | None, int] = (SIDE, SIDE, 3),
    activation: str | None = "softmax",
    rescale: bool = True,
) -> Any:
    """Return a small Keras classifier, the same each time, whose normalizations do something."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(shape),
            *([layers.Rescaling(1 / 127.5, -1)] if rescale else []),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(classes, activation=activation),
        ]
    )
    vary(model)
    return model


def vary(model: Any) -> None:
    """Give a model weights with which photos get different scores."""
    generator = np.random.default_rng(1)
    for variable in model.variables:
        if "normalization" in variable.path:
            spread = generator.uniform(0.5, 1.5, variable.shape)
            variable.assign(spread if "variance" in variable.path else spread - 0.7)
        elif "dense" in variable.path:
            variable.assign(generator.normal(0, 2, variable.shape))


def write_teachable_machine(folder: Path, *, zipped: bool = False) -> Path:
    """Write an export as Teachable Machine makes it, in the layout of Keras 2.

    `keras_model.h5` is a Sequential of two, its depthwise layer says `groups`, and `labels.txt` has
    numbered lines. Returns the folder, or the zip file.
    """
    keras.utils.set_random_seed(4)
    folder.mkdir(parents=True)
    labels = "".join(f"{number} {name}\n" for number, name in enumerate(CLASSES))
    (folder / "labels.txt").write_text(labels)
    side = TEACHABLE_SIDE

    def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
        return {
            "class_name": kind,
            "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        }

    convolution: dict[str, Any] = {
        "strides": [1, 1],
        "padding": "same",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "groups": 1,
        "activation": "linear",
        "use_bias": False,
    }
    functional = {
        "class_name": "Functional",
        "config": {
            "name": "model1",
            "trainable": True,
            "layers": [
                {
                    **layer(
                        "InputLayer",
                        "input_1",
                        batch_input_shape=[None, side, side, 3],
                        sparse=False,
                        ragged=False,
                    ),
                    "name": "input_1",
                    "inbound_nodes": [],
                },
                {
                    **layer("Conv2D", "Conv1", filters=6, kernel_size=[3, 3], **convolution),
                    "name": "Conv1",
                    "inbound_nodes": [[["input_1", 0, 0, {}]]],
                },
                {
                    **layer(
                        "DepthwiseConv2D",
                        "expanded_conv_depthwise",
                        kernel_size=[3, 3],
                        depth_multiplier=1,
                        **convolution,
                    ),
                    "name": "expanded_conv_depthwise",
                    "inbound_nodes": [[["Conv1", 0, 0, {}]]],
                },
                {
                    **layer(
                        "ReLU",
                        "relu",
                        max_value=6.0,
                        negative_slope=0.0,
                        threshold=0.0,
                    ),
                    "name": "relu",
                    "inbound_nodes": [[["expanded_conv_depthwise", 0, 0, {}]]],
                },
            ],
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [["relu", 0, 0]],
        },
    }
    pooling = layer("GlobalAveragePooling2D", "pool", data_format="channels_last", keepdims=False)
    first = {
        "class_name": "Sequential",
        "config": {"name": "sequential_1", "layers": [functional, pooling]},
    }
    hidden = layer(
        "Dense",
        "dense_1",
        units=10,
        activation="relu",
        use_bias=True,
        batch_input_shape=[None, 6],
    )
    last = layer("Dense", "dense_2", units=len(CLASSES), activation="softmax", use_bias=False)
    second = {
        "class_name": "Sequential",
        "config": {"name": "sequential_3", "layers": [hidden, last]},
    }
    config = {
        "class_name": "Sequential",
        "config": {"name": "sequential_4", "layers": [first, second]},
    }
    weights = _teachable_machine_weights()
    path = folder / "keras_model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        file.attrs["backend"] = "tensorflow"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.4.0"
        for name, arrays in weights.items():
            layer_group = group.create_group(name)
            layer_group.attrs["weight_names"] = [each.encode() for each in arrays]
            for each, array in arrays.items():
                layer_group.create_dataset(each, data=array.astype(np.float32))
    return zip_of(folder) if zipped else folder


def teachable_machine_scores(pixels: Any) -> Any:
    """Return what the network of `write_teachable_machine` gives, computed by hand."""
    first, second = _teachable_machine_weights().values()
    convolution, depthwise = (array.astype(np.float32) for array in first.values())
    kernel, bias, last = (array.astype(np.float32) for array in second.values())
    x = tf.nn.conv2d(pixels, convolution, 1, "SAME")
    x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, depthwise, [1, 1, 1, 1], "SAME"))
    x = tf.nn.relu(tf.reduce_mean(x, axis=[1, 2]) @ kernel + bias)
    return tf.nn.softmax(x @ last).numpy()


def _teachable_machine_weights() -> dict[str, dict[str, Any]]:
    generator = np.random.default_rng(2)
    return {
        "sequential_1": {
            "Conv1/kernel:0": generator.normal(0, 0.4, (3, 3, 3, 6)),
            "expanded_conv_depthwise/depthwise_kernel:0": generator.normal(0, 0.6, (3, 3, 6, 1)),
        },
        "sequential_3": {
            "dense_1/kernel:0": generator.normal(0, 1, (6, 10)),
            "dense_1/bias:0": generator.normal(0, 1, 10),
            "dense_2/kernel:0": generator.normal(0, 1, (10, len(CLASSES))),
        },
    }


def write_tensorflow_1(
    folder: Path, *, takes: str = "float", gives: str = "scores", two_signatures: bool = False
) -> None:
    """Write a SavedModel with TensorFlow 1's sessions and variables.

    It takes `float` or `uint8` pixels, or `jpeg` files, and normalizes with the fused operation
    of that time.
    """
    v1 = tf.compat.v1
    generator = np.random.default_rng(5)
    with tf.Graph().as_default(), v1.Session() as session:
        if takes == "jpeg":
            inputs = v1.placeholder(tf.string, [None], name="files")
            pixels = v1.map_fn(
                lambda file: v1.image.resize(v1.image.decode_jpeg(file, channels=3), [SIDE, SIDE]),
                inputs,
                dtype=tf.float32,
            )
        else:
            kind = tf.uint8 if takes == "uint8" else tf.float32
            inputs = v1.placeholder(kind, [None, SIDE, SIDE, 3], name="pixels")
            pixels = tf.cast(inputs, tf.float32)
        x = pixels / 255.0 if takes != "float" else pixels
        # Variables of TensorFlow 1, which are references and no resources.
        v1.disable_resource_variables()
        try:
            kernel = v1.get_variable(
                "kernel", initializer=generator.normal(0, 0.4, (3, 3, 3, 8)).astype(np.float32)
            )
            x = tf.nn.conv2d(x, kernel, 2, "SAME")
            gamma, beta, mean = (
                v1.get_variable(name, initializer=generator.normal(0.5, 0.3, 8).astype(np.float32))
                for name in ("gamma", "beta", "mean")
            )
            variance = v1.get_variable(
                "variance", initializer=generator.uniform(0.5, 1.5, 8).astype(np.float32)
            )
            x, _, _ = v1.nn.fused_batch_norm(
                x, gamma, beta, mean, variance, epsilon=1e-3, is_training=False
            )
            x = tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])
            head = v1.get_variable(
                "head", initializer=generator.normal(0, 2, (8, 3)).astype(np.float32)
            )
            bias = v1.get_variable("bias", initializer=np.array([0.1, 0.2, 0.3], np.float32))
            logits = v1.nn.xw_plus_b(x, head, bias)
        finally:
            v1.enable_resource_variables()
        outputs = {"logits": logits} if gives == "logits" else {"scores": tf.nn.softmax(logits)}
        session.run(v1.global_variables_initializer())
        predict = v1.saved_model.predict_signature_def({"inputs": inputs}, outputs)
        signatures = {"serving_default": predict}
        if two_signatures:
            raw = v1.saved_model.predict_signature_def({"inputs": inputs}, {"logits": logits})
            pair = v1.saved_model.predict_signature_def(
                {"inputs": inputs, "more": tf.constant(1.0)}, outputs
            )
            signatures |= {"raw": raw, "pair": pair}
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def write_lobe(folder: Path) -> None:
    """Write an export as Lobe makes it: a SavedModel of TensorFlow 1 with `signature.json`."""
    write_tensorflow_1(folder)
    signature = {
        "doc_id": "1",
        "doc_name": "Pets",
        "format": "saved_model",
        "inputs": {"Image": {"dtype": "float32", "shape": [None, SIDE, SIDE, 3]}},
        "outputs": {"Confidences": {"dtype": "float32", "shape": [None, 3]}},
        "tags": ["serve"],
        "classes": {"Label": list(CLASSES)},
    }
    (folder / "signature.json").write_text(json.dumps(signature))


def zip_of(folder: Path) -> Path:
    """Return a zip file of what is in a folder."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path

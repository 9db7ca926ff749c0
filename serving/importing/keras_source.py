"""Loads Keras files, without running code from them."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serving.importing.embedding_mean import embedding_mean
from serving.importing.hdf5 import check_weights, damaged, parse_config, read_config
from serving.importing.hints import hints_of_names
from serving.importing.interface import Channels, ModelFormat, ValueRange
from serving.importing.keras_config import (
    MAX_CONFIG_BYTES,
    adapt_to_keras_3,
    check_config,
    layer_names,
)
from serving.importing.model_file import ModelFile
from serving.importing.source import Hints, NoClassifier, Source, check_input, check_output
from serving.models.freezing import fold_batch_norms, node_name
from serving.zip_file import unpack_zip

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def load_keras(file: ModelFile, scratch: Path) -> Source:
    """Load a `.keras` or `.h5` file; raises NoClassifier, or another ModelError.

    `scratch` is a folder for what is made of it.
    """
    config = _checked_config(file, scratch)
    path = file.path
    if file.format is not ModelFormat.KERAS and adapt_to_keras_3(config):
        path = scratch / "adapted.h5"
        shutil.copyfile(file.path, path)
        with h5py.File(path, "r+") as changed:
            changed.attrs["model_config"] = json.dumps(config)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file was written
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError, KeyError, AttributeError, OSError, ImportError) as error:
        raise _not_loaded(file.path, error) from error
    hints = hints_of_names(layer_names(config))
    if file.format is ModelFormat.TEACHABLE_MACHINE:
        hints = Hints(ValueRange.SIGNED, Channels.RGB, stated=True)
    return source_of(model, file.format, hints)


def source_of(
    model: Any, kind: ModelFormat = ModelFormat.KERAS, hints: Hints | None = None
) -> Source:
    """Return a Keras model as a source; raises NoClassifier if it is no image classifier."""
    inputs, outputs = _tensors(model, "input"), _tensors(model, "output")
    if len(inputs) != 1 or len(outputs) != 1:
        raise NoClassifier(
            f"The model has {len(inputs)} inputs and {len(outputs)} outputs; an image classifier"
            " has one of each.",
            "Save the part of it that classifies.",
        )
    shape, output_shape = tuple(inputs[0].shape), tuple(outputs[0].shape)
    takes = check_input(keras.backend.standardize_dtype(inputs[0].dtype), shape)
    if len(output_shape) == 4 and output_shape[1:3] == (1, 1):
        output_shape = (output_shape[0], output_shape[3])
    check_output(output_shape)
    concrete = tf.function(lambda x: _flat(model(x, training=False))).get_concrete_function(
        tf.TensorSpec(shape, inputs[0].dtype, name="frozen_input")
    )
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    return Source(
        format=kind,
        graph=fold_batch_norms(constant.graph.as_graph_def(), node_name(constant.outputs[0].name)),
        input=constant.inputs[0].name,
        output=constant.outputs[0].name,
        takes=takes,
        shape=shape,
        output_shape=output_shape,
        run=lambda batch: np.asarray(_flat(model(batch, training=False))),
        hints=hints or Hints(),
        embedding_mean=embedding_mean(model),
    )


def _flat(values: Any) -> Any:
    """[N, 1, 1, C] as [N, C]."""
    return tf.squeeze(values, [1, 2]) if len(values.shape) == 4 else values


def _checked_config(file: ModelFile, scratch: Path) -> Any:
    """Return the description of the network, after a look at all that the file brings along."""
    if file.format is not ModelFormat.KERAS:
        check_weights(file.path)
        config = read_config(file.path)
    else:
        unpacked = scratch / "keras"
        unpack_zip(file.path, unpacked)
        if (unpacked / _CONFIG).stat().st_size > MAX_CONFIG_BYTES:
            raise NoClassifier(
                f"The description in {file.path.name} is too long.", "Save the model again."
            )
        config = parse_config((unpacked / _CONFIG).read_bytes(), file.path)
        check_weights(unpacked / _WEIGHTS)
        shutil.rmtree(unpacked)
    if isinstance(config, dict):
        config.pop("compile_config", None)
    check_config(config)
    return config


def _tensors(model: Any, side: str) -> list[Any]:
    """Return the symbolic inputs or outputs of a model; raises NoClassifier without any."""
    try:
        found = getattr(model, f"{side}s", None)
        found = getattr(model, side) if found is None else found
    except (AttributeError, ValueError):
        found = None
    tensors: list[Any] = tf.nest.flatten(found) if found is not None else []
    if any(each is None for each in tensors) or not tensors:
        raise NoClassifier(
            "The model does not say what it takes: it was never called before it was saved.",
            "Call it once on a photo, then save it again.",
        )
    return tensors


def _not_loaded(path: Path, error: Exception) -> Exception:
    if isinstance(error, zipfile.BadZipFile | OSError):
        return damaged(path, error)
    text = " ".join(str(error).split())
    return NoClassifier(
        f"Keras {keras.__version__} cannot load {path.name}: {text[:300]}",
        "Open it with the Keras that wrote it, and save it as a SavedModel: `model.export(FOLDER)`"
        " or, in Keras 2, `model.save(FOLDER)`.",
    )

"""Turns the arithmetic of a version into files of other runtimes, and runs them for the check.

This imports TensorFlow: only `serving.exporting.program` may import it.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import tensorflow as tf

from serving.errors import ModelError
from serving.exporting.arithmetic import Arithmetic
from serving.exporting.check import Scores

PIXELS, SCORES = "pixels", "scores"
"""What the input and the output of every export are called."""
ONNX_OPSET = 18
"""Every runtime of 2023 and later reads it."""


def write_tflite(arithmetic: Arithmetic, path: Path) -> None:
    """Write a TensorFlow Lite file with the signature `serving_default`; raises ModelError."""
    function = _function(arithmetic)
    module = tf.Module()
    module.run = function
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            tf.saved_model.save(module, folder, signatures=function)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            content = converter.convert()
        except Exception as error:  # the converter raises its own kinds, and plain Exception
            raise _not_converted("TensorFlow Lite", error) from error
    path.write_bytes(content)


def run_tflite(path: Path) -> Scores:
    """Return what computes scores with a TensorFlow Lite file; raises ModelError."""
    with warnings.catch_warnings():
        # That it moves to a package of its own, ai-edge-litert.
        warnings.simplefilter("ignore", UserWarning)
        try:
            run = tf.lite.Interpreter(str(path)).get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise _not_converted("TensorFlow Lite", error) from error
    return lambda pixels: run(**{PIXELS: pixels})[SCORES]


def write_onnx(arithmetic: Arithmetic, path: Path) -> None:
    """Write an ONNX file; raises ModelError."""
    from tf2onnx import convert

    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.float32, _shape(arithmetic), name=PIXELS)
        tf.identity(_scores(arithmetic, pixels), name=SCORES)
    inputs, outputs = [f"{PIXELS}:0"], [f"{SCORES}:0"]
    try:
        model, _ = convert.from_graph_def(
            graph.as_graph_def(),
            name="servery",
            input_names=inputs,
            output_names=outputs,
            opset=ONNX_OPSET,
            tensors_to_rename={inputs[0]: PIXELS, outputs[0]: SCORES},
        )
    except Exception as error:  # tf2onnx raises what it likes
        raise _not_converted("ONNX", error) from error
    # What it cannot convert, it leaves as it was.
    foreign = sorted({node.op_type for node in model.graph.node if node.domain})
    if foreign:
        raise _not_converted("ONNX", ValueError(f"there is no {', '.join(foreign)}"))
    path.write_bytes(model.SerializeToString())


def run_onnx(path: Path) -> Scores:
    """Return what computes scores with an ONNX file; raises ModelError."""
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            "The ONNX file cannot be checked, since OpenVINO is not installed.",
            "Run `python3 run.py`, which installs what is missing, then export again.",
        ) from error
    try:
        # Processors that compute with fewer bits would do so otherwise.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        model = openvino.compile_model(str(path), "CPU", options)
    except RuntimeError as error:
        raise _not_converted("ONNX", error) from error
    return lambda pixels: model(pixels)[0]


def _function(arithmetic: Arithmetic) -> Any:
    def run(pixels: Any) -> dict[str, Any]:
        return {SCORES: _scores(arithmetic, pixels)}

    signature = tf.TensorSpec(_shape(arithmetic), tf.float32, name=PIXELS)
    return tf.function(run, input_signature=[signature])


def _scores(arithmetic: Arithmetic, pixels: Any) -> Any:
    """Return the scores of the classes, [1, C], in the graph that is the default one."""
    graph = tf.compat.v1.GraphDef.FromString(arithmetic.graph.SerializeToString())
    (scores,) = tf.graph_util.import_graph_def(
        graph, {f"{arithmetic.pixels}:0": pixels}, [f"{arithmetic.scores}:0"], name="model"
    )
    return scores[:, : len(arithmetic.classes)]


def _shape(arithmetic: Arithmetic) -> list[int]:
    return [1, arithmetic.height, arithmetic.width, 3]


def _not_converted(what: str, error: Exception) -> ModelError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = (lines[0] if lines else type(error).__name__).rstrip(".")[:300]
    return ModelError(
        f"The version cannot be turned into a file of {what}: {reason}.",
        "Export it as `savedmodel`, which takes every version.",
    )

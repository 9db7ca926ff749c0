"""OpenVINO, if it is installed: the arithmetic of a version, faster than on TensorFlow.

It is optional; `pip install openvino` installs it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server.graph_cut import Cut
from serving.tf.cores import core_count
from serving.tf.tensors import Array

_SIZES = (4, 1)
"""Rows computed at a time, each with a program compiled for that number. Programs for any
number are a sixth slower, and more rows do not fit into the processor's caches."""

_REPORTERS = ("openvino.tools.ovc", "openvino_telemetry")
"""Modules that openvino imports and does not need."""


def is_installed() -> bool:
    """Say whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def _openvino() -> Any:
    """Import the package without its converter, which reports every import to its makers."""
    kept = {name: sys.modules.get(name) for name in _REPORTERS}
    sys.modules.update(dict.fromkeys(_REPORTERS))  # type: ignore[arg-type]
    try:
        return importlib.import_module("openvino")
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


@functools.cache
def _core() -> Any:
    return _openvino().Core()


def compile_cut(cut: Cut, threads: int) -> Callable[[Array], Array]:
    """Return the function from pixels to embeddings, both float32 with rows first.

    It may be called from several threads and uses `threads` of its own, or as many as
    there are cores if that is 0. Raises OpenVINO's exceptions if it cannot compile the
    graph or compute.
    """
    openvino = _openvino()
    settings = {
        "INFERENCE_NUM_THREADS": threads or core_count(),
        "NUM_STREAMS": 1,
        # Its own choice would be bfloat16 on some processors, whose answers differ.
        "INFERENCE_PRECISION_HINT": "f32",
        # Several instances would all be bound to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    programs = {}
    with tempfile.TemporaryDirectory(prefix="servery-openvino-") as folder:
        path = Path(folder) / "arithmetic.pb"
        path.write_bytes(cut.graph.SerializeToString())
        for rows in _SIZES:
            model = _core().read_model(path)
            model.reshape([rows, *cut.row])
            programs[rows] = _core().compile_model(model, "CPU", settings)
    # A request serves one thread at a time; appending to and popping from a list is atomic.
    idle: dict[int, list[Any]] = {rows: [] for rows in programs}

    def compute(pixels: Array) -> Array:
        parts = []
        for start, rows in _pieces(len(pixels)):
            requests = idle[rows]
            request = requests.pop() if requests else programs[rows].create_infer_request()
            batch = np.require(pixels[start : start + rows], np.float32, ("C", "W"))
            request.infer([openvino.Tensor(batch, shared_memory=True)])
            parts.append(request.get_output_tensor(0).data.copy())
            requests.append(request)
        return np.concatenate(parts)

    return compute


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    """Cut `count` rows into pieces of `_SIZES`: yield the start and the size of each."""
    start = 0
    for rows in _SIZES:
        while count - start >= rows:
            yield start, rows
            start += rows

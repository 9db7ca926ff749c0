"""OpenVINO, if it is installed: the arithmetic of a version, faster than on TensorFlow."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server.crash_record import recorded
from serving.model_server.graph_cut import Cut
from serving.tf.cores import core_count
from serving.tf.runtime_choice import BF16, F32, PRECISIONS
from serving.tf.saved_graph import graph_digest, graph_pieces, write_pieces
from serving.tf.tensors import Array

_REPORTERS = ("openvino.tools.ovc", "openvino_telemetry")
"""Modules that openvino imports and does not need."""


def is_installed() -> bool:
    """Say whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def _openvino() -> Any:
    """Import the package without its converter, which reports every import to its makers."""
    kept = {name: sys.modules.get(name) for name in _REPORTERS}
    # None makes an import fail, as Python documents; typeshed knows modules alone.
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
    with recorded("library"):
        return _openvino().Core()


def fast_precisions() -> tuple[str, ...]:
    """Return the precisions that this processor is fast at, the fastest first; f32 is the last.

    Raises OpenVINO's exceptions, and ImportError.
    """
    able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(each for each in reversed(PRECISIONS) if each != BF16 or "BF16" in able)


class CompiledNetwork:
    """The arithmetic of one network, compiled: a function from pixels to embeddings.

    It computes a row at a time, each with one core, and as many rows side by side as there are
    `threads`: cores then never wait for each other, which costs most where others want the
    processor too. Fewer rows than that, with nothing else to compute, are computed one after the
    other by all cores. Both give the same numbers, bit for bit. Thread-safe.
    """

    def __init__(self, cut: Cut, threads: int, precision: str) -> None:
        """Compile `cut` and compute it once; raises OpenVINO's exceptions if it cannot."""
        self.is_checked = False
        """Whether its answers have been compared with TensorFlow's, and are the same."""
        self._threads = threads
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            # Its own choice would be bfloat16 on some processors, whose answers differ.
            "INFERENCE_PRECISION_HINT": precision,
            # Several instances would all be bound to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        with tempfile.TemporaryDirectory(prefix="servery-openvino-") as folder:
            path = Path(folder) / "arithmetic.pb"
            write_pieces(path, graph_pieces(cut.graph, cut.large))
            model = _core().read_model(path)
        model.reshape([1, *cut.row])
        self._many = self._alone = _Requests(model, {**settings, "NUM_STREAMS": threads})
        if threads > 1:
            self._alone = _Requests(model, {**settings, "NUM_STREAMS": 1})
        # What is compiled wrongly may end the process only when it runs.
        for requests in {self._many, self._alone}:
            requests.compute(np.zeros((1, *cut.row), np.float32))

    @property
    def size(self) -> int:
        """D, of an embedding."""
        return self._many.size

    def compute(self, pixels: Array, *, is_alone: bool) -> Array:
        """Return float32 [N, D] for float32 [N, side, side, 3].

        `is_alone` says that nothing else is to be computed now. Raises OpenVINO's exceptions.
        """
        is_small = is_alone and len(pixels) < self._threads
        return (self._alone if is_small else self._many).compute(pixels)


class _Requests:
    """A compiled program, and its requests that wait to be used again."""

    def __init__(self, model: Any, settings: dict[str, Any]) -> None:
        self._program = _core().compile_model(model, "CPU", settings)
        self._streams = int(settings["NUM_STREAMS"])
        self.size = int(self._program.output(0).partial_shape[1].get_length())
        # A request serves one row at a time; appending to and popping from a list is atomic.
        self._idle: list[Any] = []

    def compute(self, pixels: Array) -> Array:
        embeddings = np.empty((len(pixels), self.size), np.float32)
        running: deque[tuple[int, Any]] = deque()

        def finish_first() -> None:
            row, request = running.popleft()
            request.wait()
            embeddings[row] = request.get_output_tensor(0).data[0]
            self._idle.append(request)

        for row, photo in enumerate(pixels):
            if len(running) == self._streams:
                finish_first()
            request = self._idle.pop() if self._idle else self._program.create_infer_request()
            # Copied, since a request keeps what is lent to it until its next use.
            request.get_input_tensor(0).data[0] = photo
            request.start_async()
            running.append((row, request))
        while running:
            finish_first()
        return embeddings


class CompiledNetworks:
    """The arithmetic of each network once, whichever versions use it; thread-safe.

    Learning replaces the head alone, so that most versions of a model share theirs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakValueDictionary[tuple[str, int, str], CompiledNetwork]
        self._known = weakref.WeakValueDictionary()

    def compiled(self, cut: Cut, threads: int, precision: str = F32) -> CompiledNetwork:
        """Return the arithmetic of `cut`, which is compiled unless a version uses it now.

        `threads` of 0 takes as many as there are cores. Raises OpenVINO's exceptions.
        """
        key = graph_digest(cut.graph, cut.large), threads or core_count(), precision
        with self._lock:
            known = self._known.get(key)
            if known is None:
                _core()  # has a record of its own
                with recorded(key[0]):
                    known = CompiledNetwork(cut, *key[1:])
                self._known[key] = known
            return known

"""A session that runs its arithmetic on OpenVINO, and all else on TensorFlow."""

from __future__ import annotations

import logging
import mmap
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server.graph_cut import find_cut, take_out_constants, without_arithmetic
from serving.model_server.openvino_runtime import CompiledNetwork, CompiledNetworks
from serving.tf.messages import types_pb2
from serving.tf.names import EMBEDDING_NODE, SAVED_MODEL_FILE, VARIABLES_FOLDER
from serving.tf.runtime_choice import F32
from serving.tf.saved_graph import (
    LargeConstants,
    Piece,
    read_saved_graph,
    saved_model_pieces,
    write_pieces,
)
from serving.tf.session import Computation, NativeTensor, Session
from serving.tf.tensors import Array, Tensor

log = logging.getLogger(__name__)


class NotAccelerated(Exception):
    """A version is computed by TensorFlow alone; the message is a sentence that says why."""


def accelerate(
    folder: Path,
    tags: Sequence[str],
    threads: tuple[int, int],
    load_whole: Callable[[], Session],
    *,
    precision: str = F32,
    arithmetics: CompiledNetworks | None = None,
) -> AcceleratedSession:
    """Return a session with the version in `folder` that OpenVINO computes.

    TensorFlow gets neither the network nor its weights: `load_whole` loads them once OpenVINO
    fails. `threads` are those of one operation and of several side by side; 0 takes as many as
    there are cores. Raises NotAccelerated.
    """
    try:
        meta_graph, large = _read(folder, tags)
        answers = [
            info.name
            for each in meta_graph.signature_def.values()
            for info in each.outputs.values()
        ]
        cut = find_cut(meta_graph.graph_def, answers)
        if cut is None:
            raise NotAccelerated("Its arithmetic cannot be separated from the rest of its graph.")
        rest = without_arithmetic(meta_graph.graph_def, cut, answers)
        cut = replace(cut, large=large)
        arithmetic = (arithmetics or CompiledNetworks()).compiled(cut, threads[0], precision)
        constants = {
            name: NativeTensor(tensor)
            for name, tensor in take_out_constants(rest, large, [cut.pixels]).items()
        }
        meta_graph.graph_def.CopyFrom(rest)
        # OpenVINO computes with its own threads beside those of TensorFlow.
        session = _load(saved_model_pieces(meta_graph, large), tags, threads)
        return AcceleratedSession(session, cut.pixels, arithmetic, load_whole, constants)
    except NotAccelerated:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise NotAccelerated(
            f"OpenVINO did not take it: {reason[-1] if reason else type(error).__name__}"
        ) from error


def _read(folder: Path, tags: Sequence[str]) -> tuple[Any, LargeConstants]:
    """Return the `MetaGraphDef` that has these tags, and the large constants it leaves out."""
    path = folder / SAVED_MODEL_FILE
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # The graph of a model of others may be large: it is not read for nothing.
        if content.find(EMBEDDING_NODE.encode()) < 0:
            raise NotAccelerated("It was not exported by Servery.")
    saved = read_saved_graph(path.read_bytes())
    for meta_graph, large in zip(saved.saved_model.meta_graphs, saved.large, strict=True):
        if set(meta_graph.meta_info_def.tags) == set(tags):
            is_ours = any(node.name == EMBEDDING_NODE for node in meta_graph.graph_def.node)
            inputs = {
                info.name
                for each in meta_graph.signature_def.values()
                for info in each.inputs.values()
            }
            # What has to be prepared when it is loaded is in none of them.
            prepares = meta_graph.collection_def or (folder / VARIABLES_FOLDER).exists()
            if not is_ours or len(inputs) != 1 or prepares:
                raise NotAccelerated("It was not exported by Servery.")
            return meta_graph, large
    raise NotAccelerated("It has no graph with the requested tags.")


def _load(saved_model: Iterable[Piece], tags: Sequence[str], threads: tuple[int, int]) -> Session:
    with tempfile.TemporaryDirectory(prefix="servery-openvino-") as folder:
        write_pieces(Path(folder) / SAVED_MODEL_FILE, saved_model)
        # Parts of the whole version, which may be loaded.
        return Session(Path(folder), tags, *threads, trusted=True, optimized=False)


class AcceleratedSession:
    """A `Session` in which `arithmetic` maps pixels to embeddings.

    TensorFlow decodes the photos and looks up the answers, by `rest`, which this owns. After a
    failure of the arithmetic, TensorFlow computes everything.
    """

    def __init__(
        self,
        rest: Session,
        pixels: str,
        arithmetic: CompiledNetwork,
        load_whole: Callable[[], Session],
        constants: Mapping[str, NativeTensor],
    ) -> None:
        """`pixels` is the node of `rest` whose value the arithmetic takes.

        `constants` are what `rest` has to be fed for its answers: TensorFlow copies a graph several
        times as it loads it, and keeps some of the copies.
        """
        self._constants = constants
        self._rest, self._pixels, self._load_whole = rest, pixels, load_whole
        self._arithmetic: CompiledNetwork | None = arithmetic
        self._whole: Session | None = None
        self._lock = threading.Lock()
        self._running = 0
        self._is_rehearsing = False
        self.failure: Exception | None = None

    @property
    def arithmetic(self) -> CompiledNetwork | None:
        """What computes the embeddings; None after a failure."""
        return self._arithmetic

    @property
    def signatures(self) -> Mapping[str, Any]:
        return self._rest.signatures

    def has_operation(self, name: str) -> bool:
        """As `Session.has_operation`, for what is not arithmetic."""
        return self._rest.has_operation(name)

    def close(self) -> None:
        """Free everything; no computation may follow."""
        self._arithmetic = None
        self._rest.close()
        if self._whole is not None:
            self._whole.close()

    def computation(self, feeds: Sequence[str], fetches: Sequence[str]) -> Computation:
        """As `Session.computation`."""
        decode = self._rest.computation(feeds, [self._pixels])
        # The arithmetic itself returns the embedding; the rest is computed from that.
        is_embedding = [name.removesuffix(":0") == EMBEDDING_NODE for name in fetches]
        others = [name for name, found in zip(fetches, is_embedding, strict=True) if not found]
        answer = self._rest.computation([EMBEDDING_NODE], others, self._constants)

        def compute(tensors: Sequence[Tensor], seconds: float | None) -> list[Tensor]:
            started = time.monotonic()
            arithmetic = self._arithmetic
            if arithmetic is not None:
                with self._counted():
                    (pixels,) = decode(tensors, seconds)
                    embedding = self._computed(arithmetic, pixels.array)
                if embedding is not None:
                    left = _seconds_left(seconds, started)
                    answers = iter(_by_row(answer, embedding, left) if others else ())
                    return [embedding if this else next(answers) for this in is_embedding]
            whole = self._loaded_whole().computation(feeds, fetches)
            return whole(tensors, _seconds_left(seconds, started))

        return compute

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Leave out the arithmetic in the block, and compute the answers of made-up embeddings.

        For warming up, where the arithmetic is as warm as it gets. Nobody else may compute
        meanwhile.
        """
        self._is_rehearsing = True
        try:
            yield
        finally:
            self._is_rehearsing = False

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _computed(self, arithmetic: CompiledNetwork, pixels: Array) -> Tensor | None:
        """Return the embeddings, or None if the arithmetic fails."""
        if self._is_rehearsing:
            return Tensor(types_pb2.DT_FLOAT, np.ones((len(pixels), arithmetic.size), np.float32))
        try:
            embeddings = arithmetic.compute(pixels, is_alone=self._running == 1)
        except Exception as error:
            self.failure, self._arithmetic = error, None
            log.exception("OpenVINO failed: TensorFlow computes everything from now on")
            return None
        return Tensor(types_pb2.DT_FLOAT, embeddings)

    def _loaded_whole(self) -> Session:
        with self._lock:
            if self._whole is None:
                self._whole = self._load_whole()
            return self._whole


def _by_row(answer: Computation, embeddings: Tensor, seconds: float | None) -> list[Tensor]:
    """Return what `answer` computes of each embedding on its own, as many as there are together.

    TensorFlow multiplies one row by other instructions than several on some processors: the last
    digits of a photo's scores would depend on what else is in its batch.
    """
    rows = embeddings.array
    if len(rows) < 2:
        return answer([embeddings], seconds)
    found = [
        answer([Tensor(embeddings.dtype, rows[at : at + 1])], seconds) for at in range(len(rows))
    ]
    return [
        Tensor(parts[0].dtype, np.concatenate([part.array for part in parts]))
        for parts in zip(*found, strict=True)
    ]


def _seconds_left(seconds: float | None, started: float) -> float | None:
    return None if seconds is None else max(0.001, seconds - (time.monotonic() - started))

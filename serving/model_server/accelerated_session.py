"""A session that runs its arithmetic on OpenVINO, if the answers are TensorFlow's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server import openvino_runtime
from serving.model_server.graph_cut import Cut, find_cut
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import EMBEDDING_NODE, SAVED_MODEL_FILE
from serving.tf.session import Computation, Session
from serving.tf.tensors import Array, Tensor

log = logging.getLogger(__name__)

TOLERANCE = 0.01
"""By how much a score may differ; larger numbers, by this share of the largest."""


class NotAccelerated(Exception):
    """A version stays on TensorFlow alone; the message is a sentence that says why."""


def accelerate(
    session: Session | AcceleratedSession, folder: Path, tags: Sequence[str], threads: int
) -> AcceleratedSession:
    """Return a session with the same results as `session`, which was loaded from `folder`.

    It owns `session`. `threads` of 0 takes as many as there are cores. Raises NotAccelerated.
    """
    inputs = {
        tuple(info.name for info in proto.inputs.values()) for proto in session.signatures.values()
    }
    if isinstance(session, AcceleratedSession):
        raise NotAccelerated("It is accelerated already.")
    if not session.has_operation(EMBEDDING_NODE) or len(inputs) != 1:
        raise NotAccelerated("It was not exported by Servery.")
    try:
        cut = find_cut(
            _graph(folder, tags),
            [info.name for proto in session.signatures.values() for info in proto.outputs.values()],
        )
        if cut is None:
            raise NotAccelerated("Its arithmetic cannot be separated from the rest of its graph.")
        return AcceleratedSession(session, cut, openvino_runtime.compile_cut(cut, threads))
    except NotAccelerated:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise NotAccelerated(
            f"OpenVINO did not take it: {reason[-1] if reason else type(error).__name__}"
        ) from error


def _graph(folder: Path, tags: Sequence[str]) -> Any:
    """Return the `GraphDef` with these tags."""
    saved = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL_FILE).read_bytes())
    for meta_graph in saved.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == set(tags):
            return meta_graph.graph_def
    raise NotAccelerated("It has no graph with the requested tags.")


def check_agreement(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> None:
    """Raise NotAccelerated unless both are the same answer.

    Numbers may differ by `TOLERANCE`. Only the first string of each row is compared: the
    others may be in another order if their scores are nearly equal.
    """
    for ours, theirs in zip(expected, actual, strict=True):
        if ours.dtype != theirs.dtype or ours.array.shape != theirs.array.shape:
            raise NotAccelerated("Its answers have another type or shape on OpenVINO.")
        if not ours.array.size:
            continue
        if ours.dtype == types_pb2.DT_STRING:
            rows = (len(ours.array), -1)
            agree = bool((ours.array.reshape(rows)[:, 0] == theirs.array.reshape(rows)[:, 0]).all())
        else:
            scale = max(1.0, float(np.abs(ours.array).max()))
            agree = bool(np.abs(ours.array - theirs.array).max() <= TOLERANCE * scale)
        if not agree:
            raise NotAccelerated("Its warm-up records are answered differently by OpenVINO.")


class AcceleratedSession:
    """A `Session` in which `arithmetic` replaces the part of the graph that `cut` describes.

    TensorFlow decodes the photos and looks up the answers. After a failure of the
    arithmetic, TensorFlow computes everything.
    """

    def __init__(self, session: Session, cut: Cut, arithmetic: Callable[[Array], Array]) -> None:
        self._session, self._cut = session, cut
        self._arithmetic: Callable[[Array], Array] | None = arithmetic
        self.failure: Exception | None = None

    @property
    def signatures(self) -> Mapping[str, Any]:
        return self._session.signatures

    def has_operation(self, name: str) -> bool:
        """As `Session.has_operation`."""
        return self._session.has_operation(name)

    def close(self) -> None:
        """Free everything; no computation may follow."""
        self._arithmetic = None
        self._session.close()

    def computation(self, feeds: Sequence[str], fetches: Sequence[str]) -> Computation:
        """As `Session.computation`."""
        whole = self._session.computation(feeds, fetches)
        decode = self._session.computation(feeds, [self._cut.pixels])
        # The arithmetic itself returns the embedding; the rest is computed from that.
        is_embedding = [name.removesuffix(":0") == EMBEDDING_NODE for name in fetches]
        rest = [name for name, found in zip(fetches, is_embedding, strict=True) if not found]
        answer = self._session.computation([EMBEDDING_NODE], rest)

        def compute(tensors: Sequence[Tensor], seconds: float | None) -> list[Tensor]:
            started = time.monotonic()
            arithmetic = self._arithmetic
            if arithmetic is None or not len(tensors[0].array):
                return whole(tensors, seconds)
            (pixels,) = decode(tensors, seconds)
            try:
                embedding = arithmetic(pixels.array)
            except Exception as error:
                self.failure, self._arithmetic = error, None
                log.exception("OpenVINO failed: TensorFlow computes everything from now on")
                return whole(tensors, _seconds_left(seconds, started))
            found = Tensor(types_pb2.DT_FLOAT, embedding)
            others = iter(answer([found], _seconds_left(seconds, started)) if rest else ())
            return [found if this else next(others) for this in is_embedding]

        return compute


def _seconds_left(seconds: float | None, started: float) -> float | None:
    return None if seconds is None else max(0.001, seconds - (time.monotonic() - started))

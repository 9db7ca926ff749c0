"""Loads a version from its folder, warms it up, and moves it to OpenVINO if that is faster."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.model_server.accelerated_session import (
    AcceleratedSession,
    NotAccelerated,
    accelerate,
    check_agreement,
)
from serving.model_server.servable import Servable
from serving.model_server.warm_up import replay, warm_up_logs
from serving.text.trust import trust_advice
from serving.tf.free_memory import return_free_memory
from serving.tf.graph_safety import UnsafeModel
from serving.tf.names import SERVE_TAG
from serving.tf.session import Session
from serving.tf.status import ServingError
from serving.tf.trust import check_trusted
from serving.tf.version_files import check_files

log = logging.getLogger(__name__)

_TIMED_RECORDS = 5
"""Warm-up records that are timed."""
_MAX_TIME_SHARE = 0.9
"""Another runtime must take at most this share of TensorFlow's time to be worth its memory."""


@dataclass(frozen=True)
class Loader:
    """Loads versions, all with the same settings; safe to call from several threads."""

    tags: Sequence[str] = (SERVE_TAG,)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    warm_up: bool = True
    warm_up_iterations: int = 1
    checks_methods: bool = False
    prefers_openvino: bool = False
    """Whether OpenVINO is used if it gives the same answers, or only if it is also faster."""
    root: Path | None = None
    """The only folder that versions are loaded from; None: any."""
    refuses_unsafe: bool = False
    """Whether a version that can do more than compute is loaded only if `trusted` lists it."""
    trusted: Path | None = None

    def load(self, model: str, version: int, folder: Path) -> Servable:
        """Load and warm up; raises ServingError, having freed everything."""
        self._check(model, version, folder)
        threads = (self.intra_op_threads, self.inter_op_threads)
        session = Session(folder, self.tags, *threads, trusted=True)
        try:
            servable = Servable(model, version, session, self.checks_methods)
            if self.warm_up:
                for record in warm_up_logs(folder):
                    for _ in range(max(1, self.warm_up_iterations)):
                        replay(servable, record)
        except BaseException:
            session.close()
            raise
        return_free_memory()
        return servable

    def _check(self, model: str, version: int, folder: Path) -> None:
        """Raise ServingError if the version may not be loaded; nothing of it has run then."""
        if self.root is not None:
            check_files(folder, self.root)
        if not self.refuses_unsafe:
            return
        try:
            check_trusted(folder, self.trusted)
        except UnsafeModel as error:
            if not error.can_be_trusted:
                raise
            raise ServingError(
                error.code, f"{error.message} {trust_advice(model, version)}"
            ) from error

    def accelerate(self, servable: Servable, folder: Path) -> AcceleratedSession | None:
        """Return the version's session on OpenVINO if that gives TensorFlow's answers faster.

        Never raises: the version is served as it is, and the reason is logged.
        """
        about = f"Model {servable.model} version {servable.version}"
        try:
            session = accelerate(servable.session, folder, self.tags, self.intra_op_threads)
            other = Servable(servable.model, servable.version, session, self.checks_methods)
            spent = _compared(servable, other, folder)
            if session.failure:
                raise NotAccelerated("OpenVINO failed on its warm-up records.")
            if spent[1] > _MAX_TIME_SHARE * spent[0] and not self.prefers_openvino:
                raise NotAccelerated("OpenVINO is not faster.")
        except Exception as reason:
            log.info("%s runs on TensorFlow alone: %s", about, reason)
            return None
        finally:
            return_free_memory()
        log.info(
            "%s runs on OpenVINO: %.0f ms, TensorFlow %.0f ms",
            about,
            *(1000 * seconds for seconds in reversed(spent)),
        )
        return session


def _compared(plain: Servable, faster: Servable, folder: Path) -> tuple[float, float]:
    """Return the seconds that each takes to answer the first warm-up records.

    Raises NotAccelerated if they answer any record differently, or if there are none.
    """
    spent = [0.0, 0.0]
    timed = 0
    for record in warm_up_logs(folder):
        check_agreement(replay(plain, record), replay(faster, record))
        if timed < _TIMED_RECORDS:
            timed += 1
            trials = [(_seconds(plain, record), _seconds(faster, record)) for _ in range(2)]
            spent = [sum(pair) for pair in zip(spent, map(min, *trials), strict=True)]
    if not timed:
        raise NotAccelerated("It has no warm-up records to compare them by.")
    return spent[0], spent[1]


def _seconds(servable: Servable, record: Any) -> float:
    started = time.perf_counter()
    replay(servable, record)
    return time.perf_counter() - started

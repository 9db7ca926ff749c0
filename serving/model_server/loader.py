"""Loads a version from its folder, on the runtime that its card names, and warms it up."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from serving.model_server.accelerated_session import (
    AcceleratedSession,
    NotAccelerated,
    accelerate,
)
from serving.model_server.agreement import check_agreement, sees_as_expected
from serving.model_server.openvino_runtime import CompiledNetworks, fast_precisions
from serving.model_server.servable import Servable
from serving.model_server.warm_up import replay, warm_up_logs
from serving.text.trust import trust_advice
from serving.tf.free_memory import return_free_memory
from serving.tf.graph_safety import UnsafeModel
from serving.tf.names import SERVE_TAG
from serving.tf.runtime_choice import F32, TENSORFLOW, read_choice
from serving.tf.session import Session
from serving.tf.status import ServingError
from serving.tf.trust import check_trusted
from serving.tf.version_files import check_files

log = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True)
class Loader:
    """Loads versions, all with the same settings; safe to call from several threads."""

    tags: Sequence[str] = (SERVE_TAG,)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    warm_up: bool = True
    warm_up_iterations: int = 1
    checks_methods: bool = False
    runtime: str = TENSORFLOW
    """TENSORFLOW or OPENVINO for every version, or AUTO for that of its card."""
    root: Path | None = None
    """The only folder that versions are loaded from; None: any."""
    refuses_unsafe: bool = False
    """Whether a version that can do more than compute is loaded only if `trusted` lists it."""
    trusted: Path | None = None
    arithmetics: CompiledNetworks = field(default_factory=CompiledNetworks)

    def load(self, model: str, version: int, folder: Path) -> Servable:
        """Load and warm up; raises ServingError, having freed everything."""
        self._check(model, version, folder)
        about = f"Model {model} version {version}"
        session = self._accelerated(about, folder) or self._whole(folder)
        try:
            servable = Servable(model, version, session, self.checks_methods)
            if self.warm_up:
                self._warm_up(servable, folder)
        except BaseException:
            session.close()
            raise
        return_free_memory()
        return servable

    def _warm_up(self, servable: Servable, folder: Path) -> None:
        session = servable.session
        # What OpenVINO computes was compared with TensorFlow's, and so is warm.
        with session.rehearsal() if isinstance(session, AcceleratedSession) else nullcontext():
            for record in warm_up_logs(folder):
                for _ in range(max(1, self.warm_up_iterations)):
                    replay(servable, record)

    @property
    def _threads(self) -> tuple[int, int]:
        return self.intra_op_threads, self.inter_op_threads

    def _whole(self, folder: Path) -> Session:
        return Session(folder, self.tags, *self._threads, trusted=True)

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

    def _accelerated(self, about: str, folder: Path) -> AcceleratedSession | None:
        """Return a version on OpenVINO, or None if TensorFlow is to compute it.

        Never raises: the reason is logged.
        """
        if self.runtime == TENSORFLOW:
            return None
        session = None
        try:
            choice = read_choice(folder)
            if self.runtime == AUTO and choice.runtime == TENSORFLOW:
                raise NotAccelerated("Its card says so.")
            precision = choice.precision if choice.precision in fast_precisions() else F32
            session = accelerate(
                folder,
                self.tags,
                self._threads,
                partial(self._whole, folder),
                precision=precision,
                arithmetics=self.arithmetics,
            )
            self._compare(session, folder, precision)
        except Exception as reason:
            log.info("%s runs on TensorFlow alone: %s", about, reason)
            if session is not None:
                session.close()
            return None
        finally:
            return_free_memory()
        log.info("%s runs on OpenVINO, in %s", about, precision)
        return session

    def _compare(self, session: AcceleratedSession, folder: Path, precision: str) -> None:
        """Raise NotAccelerated unless OpenVINO answers the warm-up records as TensorFlow does.

        They are compared once for each network, since it is all that OpenVINO computes. What
        TensorFlow computed when the version was made is as good as what it would compute now.
        """
        logs = list(warm_up_logs(folder)) if self.warm_up else []
        if not logs:
            raise NotAccelerated("It has no warm-up records to compare them by.")
        arithmetic = session.arithmetic
        if arithmetic is None or arithmetic.is_checked:
            return
        if not sees_as_expected(session, folder, logs[0], precision):
            whole = self._whole(folder)
            try:
                expected, actual = (Servable("", 0, each) for each in (whole, session))
                for record in logs:
                    check_agreement(replay(expected, record), replay(actual, record))
            finally:
                whole.close()
        if session.failure:
            raise NotAccelerated("OpenVINO failed on its warm-up records.")
        arithmetic.is_checked = True

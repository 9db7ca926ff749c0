"""How a version gets from its folder into memory, ready to answer at full speed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.model_server.accelerated import NotAccelerated, accelerated, check_agreement
from serving.model_server.servable import Servable
from serving.model_server.session import Session
from serving.model_server.warm_up import replay, warm_up_logs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loader:
    """Loads versions one way; safe to call from several threads."""

    tags: Sequence[str] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    warm_up: bool = True
    warm_up_iterations: int = 1
    checks_methods: bool = False
    accelerates: bool = False
    """Whether OpenVINO does the arithmetic of the versions that it answers as TensorFlow does."""

    def __call__(self, model: str, version: int, folder: Path) -> Servable:
        """Load and warm up; raises ServingError, having freed everything."""
        session = Session(folder, self.tags, self.intra_op_threads, self.inter_op_threads)
        try:
            servable = Servable(model, version, session, self.checks_methods)
            if self.warm_up:
                for record in warm_up_logs(folder):
                    for _ in range(max(1, self.warm_up_iterations)):
                        replay(servable, record)
                if self.accelerates:
                    return self._accelerated(servable, session, folder)
        except BaseException:
            session.close()
            raise
        return servable

    def _accelerated(self, plain: Servable, session: Session, folder: Path) -> Servable:
        """Return the version on OpenVINO if that works and agrees, or else as it is."""
        try:
            other = accelerated(session, folder, self.tags, self.intra_op_threads)
            faster = Servable(plain.model, plain.version, other, self.checks_methods)
            compared = False
            for record in warm_up_logs(folder):
                check_agreement(replay(plain, record), replay(faster, record))
                compared = True
            if other.failure:
                raise NotAccelerated("OpenVINO failed on its warm-up records.")
            if not compared:
                raise NotAccelerated("It has no warm-up records on which to compare.")
        except Exception as reason:
            log.info(
                "Model %s version %d runs on TensorFlow alone: %s",
                plain.model,
                plain.version,
                reason,
            )
            return plain
        log.info("Model %s version %d: OpenVINO does the arithmetic", plain.model, plain.version)
        return faster

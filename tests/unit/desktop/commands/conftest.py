from __future__ import annotations

from tests.support.backend_env import service, worker_script

__all__ = ["service", "worker_script"]

"""The fixtures of the backend, for pages that talk to one."""

from __future__ import annotations

from tests.support.backend_env import worker_script

__all__ = ["worker_script"]

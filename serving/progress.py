"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
"""`report(done, total, text)`: units done, units in all (0 if unknown), one sentence."""


def no_report(done: int, total: int, text: str) -> None:
    """Do nothing: for work that nobody watches."""

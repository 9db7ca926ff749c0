"""How long work tells whoever watches it how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
"""`report(done, total, text)`: units done, units in all (0 where unknown), one sentence."""


def no_report(done: int, total: int, text: str) -> None:
    """The report of work that nobody watches."""

"""Following a log of which only the last lines can be asked for."""

from __future__ import annotations

from collections.abc import Sequence


def new_lines(shown: Sequence[str], latest: Sequence[str]) -> list[str] | None:
    """Return the lines of `latest` that follow `shown`.

    `latest` is the tail of the log now, `shown` what is known of it already. None
    where they do not meet: lines in between were missed, or the log began anew.
    """
    if not shown:
        return list(latest)
    for length in range(min(len(shown), len(latest)), 0, -1):
        if list(shown[-length:]) == list(latest[:length]):
            return list(latest[length:])
    return None

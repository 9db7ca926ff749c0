"""Moments as the window shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from desktop.formats import duration
from desktop.translation import tr


def ago(moment: str, now: datetime | None = None) -> str:
    """Return `just now`, `5 min ago`, `3 d 2 h ago` or, after a week, the date.

    `moment` is ISO 8601, in UTC unless it names a zone; anything else gives an empty text.
    """
    then = _parsed(moment)
    if then is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    if seconds < 45:
        return tr("just now")
    if seconds < 90:
        return tr("1 min ago")
    if seconds < 7 * 86400:
        return tr("{duration} ago", duration=duration(seconds))
    return then.astimezone().strftime("%Y-%m-%d")


def moment_in_full(moment: str) -> str:
    """Return the date and time of day where this machine is."""
    then = _parsed(moment)
    return "" if then is None else then.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _parsed(moment: str) -> datetime | None:
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return then if then.tzinfo else then.replace(tzinfo=UTC)

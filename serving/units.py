"""Sizes and durations as people read and write them: one rounding everywhere."""

from __future__ import annotations

import re

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Return a number of bytes: `512MB` and `1.5g` count by 1,000, `512MiB` by 1,024.

    Raises ValueError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a size such as 512MB or 2GB.")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])


def format_bytes(count: float) -> str:
    """Return bytes as `512 B`, `4.1 MB` or `1.2 GB`; a unit is 1,000 of the one below."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            digits = 0 if unit == "B" or count >= 99.5 else 1
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def format_duration(seconds: float) -> str:
    """Return `0.4 s`, `15 s`, `3 min`, `2 h 5 min` or `4 d 2 h`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"

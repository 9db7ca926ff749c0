"""Numbers as a person reads them."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share of 1 as `91 %`; a rounded 100 or 0 only for what is certain."""
    value = share * 100
    if 99.5 <= value < 100:
        return ">99 %"
    if 0 < value <= 0.5:
        return "<1 %"
    return f"{value:.0f} %"


def count(number: int) -> str:
    """Return `1,000`."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return `1 photo` or `1,000 photos`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Return bytes as `512 B`, `4.1 MB` or `1.2 GB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            digits = 0 if unit == "B" or value >= 99.5 else 1
            return f"{value:.{digits}f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
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


def rate(per_second: float) -> str:
    """Return `38/s` or `0.4/s`."""
    return f"{per_second:.0f}/s" if per_second >= 9.95 else f"{per_second:.1f}/s"

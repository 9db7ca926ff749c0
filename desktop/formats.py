"""Numbers as the window and the command line show them; sizes and durations are serving.units."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share of 1 as `91%`; a rounded 100 or 0 only for what is certain."""
    value = share * 100
    if 99.5 <= value < 100:
        return ">99%"
    if 0 < value <= 0.5:
        return "<1%"
    return f"{value:.0f}%"


def count(number: int) -> str:
    """Return `1,000`."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return `1 photo` or `1,000 photos`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def rate(per_second: float) -> str:
    """Return `38/s` or `0.4/s`."""
    return f"{per_second:.0f}/s" if per_second >= 9.95 else f"{per_second:.1f}/s"


def accuracy(share: float | None, error: float | None) -> str:
    """Return `91.4% ± 1.2`, or `91%` if the error is unknown; `-` if it was not measured."""
    if share is None:
        return "-"
    return percent(share) if error is None else f"{100 * share:.1f}% ± {100 * error:.1f}"

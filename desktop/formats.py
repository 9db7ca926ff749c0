"""Numbers as the window and the command line show them, in the language of the window."""

from __future__ import annotations

from desktop.translation import tr, tr_number, tr_plural
from serving.units import format_bytes, format_duration


def percent(share: float) -> str:
    """Return a share of 1 as `91%`; a rounded 100 or 0 only for what is certain."""
    value = share * 100
    if 99.5 <= value < 100:
        return tr(">{value}%", value=99)
    if 0 < value <= 0.5:
        return tr("<{value}%", value=1)
    return tr("{value}%", value=f"{value:.0f}")


def count(number: int) -> str:
    """Return `1,000`."""
    return tr_number(f"{number:,}")


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return `1 photo` or `1,000 photos`, in the language of the window.

    `one` is written out in the call, and so is `many`, which is `one` with an s unless it is given.
    """
    text = tr_plural("{count} " + one, "{count} " + (many or one + "s"), number)
    return text.format(count=count(number))


def capitalized(text: str) -> str:
    """Return a text with a capital letter at its beginning; the others stay as they are."""
    return text[:1].upper() + text[1:]


def size(number: float) -> str:
    """Return bytes as `512 B`, `4.1 MB` or `1.2 GB`."""
    return tr_number(format_bytes(number))


def duration(seconds: float) -> str:
    """Return `0.4 s`, `15 s`, `3 min`, `2 h 5 min` or `4 d 2 h`."""
    return tr_number(format_duration(seconds))


def rate(per_second: float) -> str:
    """Return `38/s` or `0.4/s`."""
    return tr_number(f"{per_second:.0f}/s" if per_second >= 9.95 else f"{per_second:.1f}/s")


def short_hash(image: str) -> str:
    """Return as much of the hash of a photo as tells it from others in a list."""
    return image[:12]


def accuracy(share: float | None, error: float | None) -> str:
    """Return `91.4% ± 1.2`, or `91%` if the error is unknown; `-` if it was not measured."""
    if share is None:
        return "-"
    if error is None:
        return percent(share)
    return tr(
        "{value}% ± {error}",
        value=tr_number(f"{100 * share:.1f}"),
        error=tr_number(f"{100 * error:.1f}"),
    )

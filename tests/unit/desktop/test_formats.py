from __future__ import annotations

import pytest

from desktop import formats


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0004, "<1 %"),
        (0.005, "<1 %"),
        (0.912, "91 %"),
        (0.994, "99 %"),
        (0.996, ">99 %"),
        (0.99999, ">99 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert formats.percent(share) == text


def test_a_score_that_is_not_certain_never_reads_as_certain() -> None:
    assert formats.percent(0.9961) != "100 %"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1 photo"), (0, "0 photos"), (1000, "1,000 photos")]
)
def test_plural(number: int, text: str) -> None:
    assert formats.plural(number, "photo") == text


def test_plural_of_an_irregular_word() -> None:
    assert formats.plural(3, "class", "classes") == "3 classes"


@pytest.mark.parametrize(
    ("number", "text"),
    [(512, "512 B"), (4_100_000, "4.1 MB"), (999_700, "1.0 MB"), (1_234_000_000, "1.2 GB")],
)
def test_size(number: int, text: str) -> None:
    assert formats.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"),
        (15.2, "15 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (352_800, "4 d 2 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(0.42, "0.4/s"), (38.4, "38/s")])
def test_rate(rate: float, text: str) -> None:
    assert formats.rate(rate) == text

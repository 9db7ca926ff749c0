from __future__ import annotations

import pytest

from desktop import formats


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (0.0004, "<1%"),
        (0.005, "<1%"),
        (0.912, "91%"),
        (0.994, "99%"),
        (0.996, ">99%"),
        (0.99999, ">99%"),
        (1.0, "100%"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert formats.percent(share) == text


def test_a_score_that_is_not_certain_never_reads_as_certain() -> None:
    assert formats.percent(0.9961) != "100%"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1 photo"), (0, "0 photos"), (1000, "1,000 photos")]
)
def test_plural(number: int, text: str) -> None:
    assert formats.plural(number, "photo") == text


def test_plural_of_an_irregular_word() -> None:
    assert formats.plural(3, "class", "classes") == "3 classes"


@pytest.mark.parametrize(("rate", "text"), [(0.42, "0.4/s"), (38.4, "38/s")])
def test_rate(rate: float, text: str) -> None:
    assert formats.rate(rate) == text


@pytest.mark.parametrize(
    ("share", "error", "text"),
    [(None, None, "-"), (0.912, None, "91%"), (0.914, 0.012, "91.4% ± 1.2")],
)
def test_accuracy_is_written_with_its_error(
    share: float | None, error: float | None, text: str
) -> None:
    assert formats.accuracy(share, error) == text

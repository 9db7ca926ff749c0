from __future__ import annotations

import pytest

from serving.units import format_bytes, format_duration, parse_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_600, "100 kB"),
        (999_600, "1.0 MB"),
        (4_100_000, "4.1 MB"),
        (999_700, "1.0 MB"),
        (1_234_000_000, "1.2 GB"),
        (1.25e9, "1.2 GB"),
        (2e12, "2.0 TB"),
    ],
)
def test_sizes_are_written(count: float, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("512MB", 512_000_000), ("1.5g", 1_500_000_000), (" 512 MiB ", 2**29), ("7b", 7)],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "much", "-1MB", "1XB"])
def test_what_is_not_a_size_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 512MB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"),
        (15, "15 s"),
        (15.2, "15 s"),
        (100, "2 min"),
        (180, "3 min"),
        (7200, "2 h"),
        (7500, "2 h 5 min"),
        (352_800, "4 d 2 h"),
    ],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text

"""Moments in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from desktop.moments import ago

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-05-10T11:59:30Z", "just now"),
        ("2026-05-10T11:58:50Z", "1 min ago"),
        ("2026-05-10T11:55:00", "5 min ago"),
        ("2026-05-10T10:00:00+00:00", "2 h ago"),
        ("2026-05-07T12:00:00+00:00", "3 d ago"),
        ("2026-04-01T12:00:00+00:00", "2026-04-01"),
        ("", ""),
    ],
)
def test_a_moment_is_written_as_how_long_ago(moment: str, text: str) -> None:
    assert ago(moment, NOW) == text

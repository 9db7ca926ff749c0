"""A log is followed by its last lines, none lost and none shown twice."""

from __future__ import annotations

import pytest

from desktop.fleet.log_lines import new_lines


@pytest.mark.parametrize(
    ("shown", "latest", "added"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["a", "b", "c"], ["c"]),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a", "b"], ["x", "y"], None),
        (["a", "b"], [], None),
    ],
)
def test_new_lines_follow_those_shown(
    shown: list[str], latest: list[str], added: list[str] | None
) -> None:
    assert new_lines(shown, latest) == added

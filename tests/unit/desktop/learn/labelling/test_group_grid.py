"""How large the photos of a group are shown."""

from __future__ import annotations

import pytest

from desktop.learn.labelling.group_grid import tile_side


@pytest.mark.parametrize(
    ("number", "width", "height", "side"),
    [
        (2, 1000, 650, 250),  # few photos: large, but not without limit
        (12, 1000, 650, 200),  # five in a row are three rows of 200
        (12, 400, 340, 133),  # too many to be seen at once: three in a row, as small as they get
        (3, 100, 340, 116),  # narrower than a tile
        (0, 1000, 650, 250),
    ],
)
def test_all_photos_of_a_group_are_seen_at_once_if_there_is_room(
    number: int, width: int, height: int, side: int
) -> None:
    assert tile_side(number, width, height) == side

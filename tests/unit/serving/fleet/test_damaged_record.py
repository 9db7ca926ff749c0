"""A damaged record of the fleet stops nothing, and is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serving.fleet.record import FleetRecord, RecordFile
from tests.support.damage import DAMAGES, Damage


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_what_was_read_before_goes_on_to_count(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "fleet" / "fleet.json"
    file = RecordFile(path)
    await file.change(lambda record: replace(record, desired_count=3))
    damage(path)
    assert file.read() == FleetRecord(3)
    assert file.damage() is None
    assert file.exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damaged_from_the_beginning_it_says_so_and_the_next_change_keeps_it(
    tmp_path: Path, damage: Damage
) -> None:
    path = tmp_path / "fleet" / "fleet.json"
    damage(path)
    file = RecordFile(path)
    assert file.exists()
    assert "fleet.json is damaged" in str(file.damage())
    await file.change(lambda record: replace(record, desired_count=2))
    assert file.damage() is None
    assert json.loads(path.read_text())["wanted"] == 2
    assert len(list((path.parent.parent / "damaged").iterdir())) == 1


async def test_a_record_that_was_removed_counts_as_last_read(tmp_path: Path) -> None:
    path = tmp_path / "fleet" / "fleet.json"
    file = RecordFile(path)
    await file.change(lambda record: replace(record, desired_count=3))
    path.unlink()
    assert file.read() == FleetRecord(3)
    assert RecordFile(path).read() == FleetRecord()

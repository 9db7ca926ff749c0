"""Logs are read whatever is in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.engines import log_files
from serving.engines.log_files import follow, keep_log, remove_old_logs, tail
from tests.support.damage import IN_ITS_PLACE, Damage


@pytest.mark.parametrize("damage", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
async def test_what_is_no_file_is_an_empty_log(tmp_path: Path, damage: Damage) -> None:
    log = tmp_path / "instance-1.log"
    damage(log)
    assert tail(log, 10) == ""
    assert [line async for line in follow(log, 10, lambda: True)] == []
    damage(log)
    (tmp_path / "instance-1.log.1").write_text("what it printed before")
    assert tail(log, 10) == "what it printed before"


def test_a_pipe_in_the_place_of_a_log_becomes_the_end_of_it(tmp_path: Path) -> None:
    log = tmp_path / "instance-1.log"
    IN_ITS_PLACE["a pipe"](log)
    (tmp_path / "instance-1.log.1").write_text("what it printed before")
    keep_log(log, "it failed")
    assert log.read_text() == "what it printed before\nit failed\n"


def test_the_newest_are_kept_where_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_KEPT_LOGS", 2)
    logs = [tmp_path / f"instance-{name}.log" for name in "dcba"]
    for number, log in enumerate(logs):
        log.write_text("what it printed")
        keep_log(log, "it failed")
        if number < 2:
            os.utime(log, (2**33, 2**33))  # kept while the clock was ahead
    remove_old_logs(tmp_path, ())
    assert {*tmp_path.iterdir()} == {*logs[2:]}

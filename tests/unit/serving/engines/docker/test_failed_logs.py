from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.engines.docker import failed_logs
from serving.engines.docker.failed_logs import FailedLogs


def test_the_log_of_a_failed_instance_is_kept(tmp_path: Path) -> None:
    logs = FailedLogs(tmp_path / "ended")
    logs.save("pets-1", "It was killed.", "one\ntwo\n")
    assert logs.read("pets-1", 2) == "two\nIt was killed."
    assert logs.read("pets-1", 0) == ""
    assert logs.read("pets-2", 5) is None
    assert logs.read("../pets-1", 5) is None


def test_only_the_newest_logs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_logs, "MAX_LOGS", 2)
    logs = FailedLogs(tmp_path)
    for number in range(4):
        logs.save(f"pets-{number}", "", "text")
        os.utime(tmp_path / f"pets-{number}.log", (number, number))
    logs.save("pets-4", "", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets-3.log", "pets-4.log"]


def test_the_newest_are_kept_where_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_logs, "MAX_LOGS", 2)
    logs = FailedLogs(tmp_path)
    for number in (1, 2):
        logs.save(f"pets-{number}", "", "text")
        os.utime(tmp_path / f"pets-{number}.log", (2**33, 2**33))
    for number in (3, 4):
        logs.save(f"pets-{number}", "", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets-3.log", "pets-4.log"]

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.engines.docker import failed_logs
from serving.engines.docker.container_user import container_user, readable_by_all
from serving.engines.docker.failed_logs import FailedLogs


def test_what_a_failed_instance_printed_is_kept(tmp_path: Path) -> None:
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


def test_a_file_that_not_everybody_may_read_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch(0o644)
    tmp_path.chmod(0o755)
    assert readable_by_all(tmp_path)
    (tmp_path / "1" / "saved_model.pb").chmod(0o600)
    assert not readable_by_all(tmp_path)
    (tmp_path / "1" / "saved_model.pb").chmod(0o644)
    (tmp_path / "1").chmod(0o700)
    assert not readable_by_all(tmp_path)


@pytest.mark.parametrize(
    ("person", "rootless", "mode", "expected"),
    [
        (1000, False, 0o755, "1000:100"),
        (1000, False, 0o700, "1000:100"),
        (1000, True, 0o755, ""),
        (1000, True, 0o700, "0:0"),
        (0, False, 0o755, ""),
        (0, False, 0o700, "0:0"),
    ],
)
def test_a_container_runs_as_whoever_may_read_the_model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    person: int,
    rootless: bool,
    mode: int,
    expected: str,
) -> None:
    tmp_path.chmod(mode)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.getuid", lambda: person)
    monkeypatch.setattr("os.getgid", lambda: 100)
    assert container_user(tmp_path, rootless=rootless) == expected
    monkeypatch.setattr("sys.platform", "darwin")
    assert container_user(tmp_path, rootless=rootless) == ""

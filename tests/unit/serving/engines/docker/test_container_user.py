from __future__ import annotations

from pathlib import Path

import pytest

from serving.engines.docker.container_user import container_user, readable_by_all


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
def test_a_container_runs_as_a_user_that_may_read_the_model(
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

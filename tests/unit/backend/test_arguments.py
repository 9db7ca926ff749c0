"""The command line of `python -m backend`."""

from __future__ import annotations

import pytest

from backend.__main__ import main


@pytest.mark.parametrize(
    "port", ["70000", "65536", "-1", "80a", "8080.5", "", " 80", "²", "9" * 5000]
)
def test_a_port_that_cannot_be_one_is_a_sentence(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["backend", f"--port={port}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "is not a port, which is from 0 to 65535" in capsys.readouterr().err


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["backend"])
    assert main() == 1
    said = capsys.readouterr().err
    assert "There is no folder to keep the workspace in: this user has no home." in said
    assert "Traceback" not in said

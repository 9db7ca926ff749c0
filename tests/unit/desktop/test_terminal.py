from __future__ import annotations

import io
import sys

import pytest

from desktop.commands.terminal import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_one_line_and_erased_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressLine() as report:
        report(0, 0, "Waiting for the instance that is starting")
        report(3, 12, "3 of 12 classified")
    assert terminal.getvalue().split("\r\033[K") == [
        "",
        "Waiting for the instance that is starting",
        " 25%  3 of 12 classified",
        "",
    ]


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as report:
        report(3, 12, "3 of 12 classified")
    assert capsys.readouterr() == ("", "")

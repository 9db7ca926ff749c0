"""The window's X server dies: the application ends as at a signal, and leaves what it should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.settings import OnQuit, Settings
from tests.conftest import ROOT
from tests.support.waiting import block_until
from tests.support.window_state import takes_labels
from tests.support.workspace_programs import WorkspacePrograms, workspace_programs
from tests.support.x_server import x_server as running_x_server


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[WorkspacePrograms]:
    with workspace_programs(tmp_path) as made:
        yield made


@pytest.fixture
def x_server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """An X server of the test's own, and its display."""
    with running_x_server() as made:
        yield made


@pytest.mark.gui
@pytest.mark.parametrize(
    ("on_quit", "left"), [(OnQuit.STOP, []), (OnQuit.KEEP, ["backend", "instance"])]
)
def test_a_window_without_a_screen_ends_in_good_order(
    programs: WorkspacePrograms,
    x_server: tuple[subprocess.Popen[bytes], str],
    on_quit: OnQuit,
    left: list[str],
) -> None:
    server, display = x_server
    Settings(programs.space.settings).change(engine="process", on_quit=on_quit)
    programs.run("fleet", "scale", "1")
    window = subprocess.Popen(
        [sys.executable, "-m", "desktop"],
        cwd=ROOT,
        env={
            **programs.environment,
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "QT_XCB_GL_INTEGRATION": "none",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        block_until(lambda: takes_labels(programs.space) or window.poll() is not None)
        server.kill()
        output, _ = window.communicate(timeout=120)
    finally:
        window.kill()
        window.wait()
    assert window.returncode == 1
    assert "The connection to the screen broke, so the window is closed." in output
    assert "Traceback" not in output
    assert programs.left() == left
    assert programs.run("stop").returncode == 0
    assert programs.left() == []

"""What a bug report says, and that it says nothing else."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.diagnostics import Screen, damaged_parts, diagnostics
from desktop.notifications import Notifications
from desktop.preferences import Preferences
from serving.engines.protocol import InstanceState
from serving.errors import ServeryError
from serving.workspace import Workspace
from tests.support.fleet_views import fleet_view, instance_view
from tests.support.hostile_names import NAMES


def report_about(name: str, root: Path) -> str:
    """Return the diagnostics of a workspace in which everything is called `name`."""
    workspace = Workspace(root / "w" / (name.replace("/", "_")[:40]))
    failed = replace(instance_view(1, InstanceState.FAILED, failure=name), model=name)
    view = replace(
        fleet_view(failed),
        engine=name,
        engine_reason=f"Because {name}.",
        canaries={name: 2},
        live_versions={name: 3},
        update=name,
    )
    notifications = Notifications()
    for error in (ServeryError(f"{name} failed.", f"Open {name}."), OSError(2, name, f"/{name}")):
        try:
            raise error
        except (ServeryError, OSError) as raised:
            notifications.error(raised)
    damaged = damaged_parts(
        workspace,
        [
            workspace.settings,
            workspace.models / name / "3" / "saved_model.pb",
            workspace.models / "other",
            workspace.root / name,
            Path("/elsewhere") / name,
        ],
    )
    return diagnostics(
        parts=[("numpy", "2.1.0")],
        preferences=Preferences(window=name, dismissed_action=name),
        screen=Screen("xcb", 1280, 800, 2.0),
        fleet=view,
        photos=7,
        damaged=damaged,
        errors=list(notifications.recent_errors),
    )


@pytest.mark.parametrize("name", [*NAMES, "a plain one"])
def test_no_name_and_no_path_is_in_it(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever things are called, the text is the same."""
    written = {**NAMES, "a plain one": "otterhound"}[name]
    text = report_about(written, tmp_path)
    assert text == report_about("zebra", tmp_path)
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    for secret in (getpass.getuser(), socket.gethostname()):
        assert secret not in text.replace("\n", " ").split(" ")
    caplog.clear()  # the errors that it is about


def test_it_says_what_a_report_needs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = report_about("otter", tmp_path).splitlines()
    assert lines[0].startswith("Servery ")
    for expected in (
        "Screen: xcb, 1280x800, scale 2",
        "Fleet: another engine, 1 desired, 1 failed",
        "Photos in the gallery: 7",
        "Settings: appearance system, engine auto, unsure below 0.5, when it quits ask",
        "Damaged: settings.toml, models (2 times), another file (2 times)",
        "numpy 2.1.0",
    ):
        assert expected in lines
    (kind, _) = [line for line in lines if line.startswith("Error: ")]
    assert kind == "Error: ServeryError"
    caplog.clear()


def test_an_error_is_told_by_its_place_in_our_code() -> None:
    notifications = Notifications()
    with pytest.raises(ServeryError) as raised:
        Workspace.named(Path("\0"))
    notifications.error(raised.value)
    (place,) = notifications.recent_errors
    assert place.startswith("WorkspaceError at serving.workspace:")
    assert place.rpartition(":")[2].isdigit()

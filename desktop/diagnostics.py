"""What a bug report needs to say, and nothing that a person might not want to tell.

Everything in it is a version, a number, a word of our own or a place in our own code. Names of
models, classes, files, users and machines cannot be in it, because none is ever put in. It is
English in every language of the window, for those who read reports.
"""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.preferences import Preferences
from serving.engines.names import ENGINE_CHOICES
from serving.tf.cores import core_count
from serving.version import VERSION
from serving.workspace import Workspace

if TYPE_CHECKING:
    from serving.fleet.view import FleetView

_NUMBERS = re.compile(r"\d+(\.\d+)*")
_SYSTEMS = ("debian", "ubuntu", "fedora", "arch", "opensuse-leap", "opensuse-tumbleweed", "rhel")
_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Screen:
    """What the window knows of the screen that it is on."""

    platform: str
    """Qt's name of the window system, such as xcb or wayland."""
    width: int
    height: int
    """Of the screen, in pixels that do not depend on its scale."""
    scale: float


def diagnostics(
    *,
    parts: Iterable[tuple[str, str]],
    preferences: Preferences,
    screen: Screen | None = None,
    fleet: FleetView | None = None,
    photos: int = 0,
    damaged: Sequence[str] = (),
    errors: Sequence[str] = (),
) -> str:
    """Return the text for a bug report, a fact a line.

    `parts` are names and versions of what Servery is made of, `damaged` comes from
    `damaged_parts`, and `errors` from `Notifications`. Without a `fleet` nothing
    is known of it.
    """
    lines = [f"Servery {VERSION}", *_system_lines()]
    if screen is not None:
        lines.append(
            f"Screen: {screen.platform}, {screen.width}x{screen.height}, scale {screen.scale:g}"
        )
    lines += _fleet_lines(fleet)
    lines.append(f"Photos in the gallery: {photos}")
    lines.append(
        f"Settings: appearance {preferences.appearance}, engine {preferences.engine},"
        f" unsure below {preferences.unsure_below:g}, when it quits {preferences.on_quit}"
    )
    lines.append(f"Damaged: {', '.join(damaged) or 'nothing'}")
    lines += [f"Error: {each}" for each in errors]
    lines += [f"{name} {version}" for name, version in parts]
    return "\n".join(lines) + "\n"


def damaged_parts(workspace: Workspace, paths: Iterable[Path]) -> list[str]:
    """Return for each path which part of the workspace it belongs to: a name of ours."""
    ours = {
        path.relative_to(workspace.root).parts[0]
        for path in (
            workspace.settings,
            workspace.desktop_database,
            workspace.backend_database,
            *workspace.folders[1:],
        )
    }
    found: Counter[str] = Counter()
    for path in paths:
        inside = path.is_relative_to(workspace.root) and path.relative_to(workspace.root).parts
        found[inside[0] if inside and inside[0] in ours else "another file"] += 1
    return [name if number == 1 else f"{name} ({number} times)" for name, number in found.items()]


def _system_lines() -> Iterator[str]:
    release = _NUMBERS.match(platform.release())  # what follows is chosen by whoever built it
    try:
        name = platform.freedesktop_os_release()
    except OSError:
        name = {}
    distribution = name.get("ID", "") if name.get("ID") in _SYSTEMS else "another system"
    version = _NUMBERS.fullmatch(name.get("VERSION_ID", ""))
    cores = core_count()
    machine = platform.machine() if platform.machine() in _MACHINES else "another machine"
    yield f"System: {distribution} {version[0] if version else ''}".rstrip() + (
        f", {platform.system()} {release[0] if release else ''}, {machine},"
        f" {cores} core{'' if cores == 1 else 's'}"
    )
    frozen = ", one file" if getattr(sys, "frozen", False) else ""
    yield f"Python {platform.python_version()}{frozen}"


def _fleet_lines(fleet: FleetView | None) -> Iterator[str]:
    if fleet is None:
        yield "Fleet: none"
        return
    engine = fleet.engine if fleet.engine in ENGINE_CHOICES else "another engine"
    states = Counter(each.state.value for each in fleet.instances)
    now = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"
    yield f"Fleet: {engine}, {fleet.desired_count} desired, {now}"
    yield (
        f"Models served: {len(fleet.served.names())}, faults: {len(fleet.faults)},"
        f" canaries: {len(fleet.canaries)}, attached servers: {len(fleet.attached)}"
    )

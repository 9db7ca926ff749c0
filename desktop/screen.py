"""Whether a window can open here, found out and not guessed: a variable that names a screen says
nothing of whether one answers, lets this user in, and can be drawn on by Qt.

Knows no Qt, for the command line and for what comes before the window.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.programs import child_environment, module_command

ANSWER_SECONDS = 3.0
"""How long a screen may take to answer: one in another room does within milliseconds."""
PROBE_SECONDS = 20.0
"""How long Qt may take to start, on a machine that is busy."""
UNSEEN_PLATFORMS = ("offscreen", "minimal")
"""Of Qt: they draw where nobody sees it."""
_WEB_PAGE = "Use the web page of `servery serve`, or the other commands."
_DISPLAY = re.compile(r"(?:[a-z]+/)?(?P<host>.*):(?P<number>\d{1,4})(?:\.\d+)?")
_X_SOCKETS = Path("/tmp/.X11-unix")
_X_PORT = 6000
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_MAX_COOKIES = 8
_FAMILY_LOCAL = 256
"""In a file of xauth: the address is the name of the machine."""
_MISSING_LIBRARY = re.compile(r"(?P<library>lib\S+?\.so[.\d]*): cannot open")
_REFUSED, _ACCEPTED = 0, 1
"""What an X server answers first; 2 asks for more than a cookie."""


@dataclass(frozen=True)
class ScreenFault:
    """Why no window can open, as sentences."""

    what: str
    advice: str


@dataclass(frozen=True)
class ScreenFacts:
    """What Qt says of the screen that it draws on."""

    platform: str
    """Qt's name of the window system, such as xcb or wayland."""
    width: int
    height: int


def look_at_screen() -> ScreenFacts | ScreenFault:
    """Have Qt open the screen, in a process of its own; blocks for some tenths of a second."""
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if not platform and (fault := screen_fault(os.environ)):
        return fault
    if _named(os.environ) == ("", "") and platform in UNSEEN_PLATFORMS:
        return _NO_SCREEN
    if platform in UNSEEN_PLATFORMS:
        return ScreenFault(
            f"The variable QT_QPA_PLATFORM is {platform}, so a window opens where nobody sees it.",
            "Unset it to have the window on the screen.",
        )
    answer = _ask_qt()
    if "platform" in answer:
        return ScreenFacts(str(answer["platform"]), int(answer["width"]), int(answer["height"]))
    return _qt_fault(answer)


def screen_fault(environment: Mapping[str, str]) -> ScreenFault | None:
    """Return why no screen answers; None if one does, or if that is not known without Qt.

    Takes a millisecond where there is a screen.
    """
    if not sys.platform.startswith("linux") or environment.get("QT_QPA_PLATFORM"):
        return None
    wayland, display = _named(environment)
    if not wayland and not display:
        return _NO_SCREEN
    faults = [
        fault(environment)
        for fault, name in ((_wayland_fault, wayland), (_x_fault, display))
        if name
    ]
    return None if None in faults else faults[-1]


_NO_SCREEN = ScreenFault(
    "There is no screen, so no window can open: neither DISPLAY nor WAYLAND_DISPLAY is set.",
    _WEB_PAGE,
)


def _named(environment: Mapping[str, str]) -> tuple[str, str]:
    return environment.get("WAYLAND_DISPLAY", ""), environment.get("DISPLAY", "")


def _wayland_fault(environment: Mapping[str, str]) -> ScreenFault | None:
    name = environment["WAYLAND_DISPLAY"]
    path = Path(environment.get("XDG_RUNTIME_DIR", ""), name)
    try:
        if not path.is_absolute():
            raise FileNotFoundError(0, "XDG_RUNTIME_DIR is not set")
        with _connected(str(path)):
            return None
    except OSError as error:
        return ScreenFault(
            f"WAYLAND_DISPLAY names {name}, but no compositor answers at {path}:"
            f" {error.strerror or error}.",
            f"Start Servery in a terminal of the session that has the screen. {_WEB_PAGE}",
        )


def _x_fault(environment: Mapping[str, str]) -> ScreenFault | None:
    display = environment["DISPLAY"]
    found = _DISPLAY.fullmatch(display)
    if found is None:
        return ScreenFault(
            f"DISPLAY is {display}, which names no screen.", "Set it to one such as `:0`."
        )
    host, number = found["host"], int(found["number"])
    refusal = ""
    for cookie in _cookies(environment, number):
        try:
            with _x_connection(host, number) as connection:
                answer = _x_answer(connection, cookie)
        except OSError as error:
            return ScreenFault(
                f"DISPLAY names {display}, but no X server answers there:"
                f" {error.strerror or error}.",
                f"Start Servery in a terminal of the session that has the screen. {_WEB_PAGE}",
            )
        if answer is None:
            return None
        refusal = answer
    return ScreenFault(
        f"The X server of {display} does not let this user in{refusal and f': {refusal}'}.",
        "Start Servery as the user of that session, or set XAUTHORITY to the file with its key,"
        f" which `xauth list` reads. {_WEB_PAGE}",
    )


def _connected(address: str) -> socket.socket:
    """Return a connection to a UNIX socket; raises OSError."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(ANSWER_SECONDS)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def _x_connection(host: str, number: int) -> socket.socket:
    if host not in ("", "unix"):
        return socket.create_connection((host.strip("[]"), _X_PORT + number), ANSWER_SECONDS)
    path = f"{_X_SOCKETS}/X{number}"
    try:
        return _connected(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            return _connected(f"\0{path}")  # an X server in a container has no file here
        raise error


def _x_answer(connection: socket.socket, cookie: bytes) -> str | None:
    """Ask to be let in; returns why not, None for yes. Raises OSError."""
    name = _COOKIE if cookie else b""
    setup = struct.pack("<cxHHHHxx", b"l", 11, 0, len(name), len(cookie))
    connection.sendall(setup + _padded(name) + _padded(cookie))
    with connection.makefile("rb") as answer:
        head = answer.read(8)
        if len(head) < 8:
            raise ConnectionError(0, "the connection was closed")
        status, length, more = head[0], head[1], struct.unpack("<H", head[6:])[0]
        if status == _ACCEPTED:
            return None
        reason = answer.read(4 * more)
    words = reason[:length] if status == _REFUSED else reason
    return " ".join(words.decode("utf-8", "replace").replace("\0", " ").split()).rstrip(".")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _cookies(environment: Mapping[str, str], number: int) -> list[bytes]:
    """Return the keys for a display in the file that `xauth` writes, and b"" for none."""
    home = environment.get("HOME", "")
    path = Path(environment.get("XAUTHORITY") or Path(home, ".Xauthority"))
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    here = os.fsencode(socket.gethostname())
    found = [
        cookie
        for family, address, display, name, cookie in _xauthority(data)
        if name == _COOKIE and display in (b"", str(number).encode())
        # A machine that was renamed has keys under its former name, which Qt does not find either.
        if family != _FAMILY_LOCAL or address == here
    ]
    return [*found[:_MAX_COOKIES], b""]


def _xauthority(data: bytes) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    """Yield family, address, display, protocol and key of each entry: see libXau's AuReadEntry."""
    at = 0

    def field() -> bytes:
        nonlocal at
        (length,) = struct.unpack_from(">H", data, at)
        at += 2 + length
        return data[at - length : at]

    with contextlib.suppress(struct.error):  # a file that ends in the middle of an entry
        while at < len(data):
            (family,) = struct.unpack_from(">H", data, at)
            at += 2
            yield family, field(), field(), field(), field()


def _ask_qt() -> dict[str, Any]:
    """Return what `desktop.screen_probe` prints."""
    try:
        done = subprocess.run(
            module_command("desktop.screen_probe"),
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"late": True}
    except OSError as error:
        return {"failed": str(error)}
    answer: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError):
            answer |= json.loads(line)
    return answer


def _qt_fault(answer: Mapping[str, Any]) -> ScreenFault:
    """Return why Qt cannot draw on a screen that answers."""
    lacking = str(answer.get("lacking", ""))
    if found := _MISSING_LIBRARY.search(lacking):
        return ScreenFault(
            f"There is one, but the system library {found['library']} is missing, which Qt needs.",
            f"`python3 run.py` installs it, or prints how; on Debian its package is"
            f" {debian_package(found['library'])}.",
        )
    if lacking:
        return ScreenFault(
            f"There is one, but Qt cannot be loaded: {lacking}.",
            "Install Servery again with `python3 run.py`.",
        )
    if answer.get("late"):
        return ScreenFault(
            f"There is one, but Qt could not open it within {PROBE_SECONDS:.0f} seconds.",
            "Try again once the machine is less busy.",
        )
    return ScreenFault(
        "There is one, but Qt cannot draw on it.",
        "`QT_DEBUG_PLUGINS=1 servery` prints what Qt tries.",
    )


def debian_package(library: str) -> str:
    """Return what Debian calls the package of `libNAME.so.NUMBER`, by its rule for that."""
    name, _, version = library.lower().partition(".so.")
    return f"{name}{'-' if name[-1].isdigit() and version else ''}{version}"

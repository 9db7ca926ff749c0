"""A program of its own that has Qt open the screen: where Qt cannot, it aborts the process.

Prints JSON, an object a line: `lacking`, if something cannot be loaded, then what the screen is.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
from pathlib import Path


def main() -> None:
    """Print what there is to say, each line before Qt may abort."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump of what was to be expected
    try:
        from PySide6.QtCore import QLibraryInfo
        from PySide6.QtGui import QGuiApplication
    except ImportError as error:
        _print(lacking=str(error))
        return
    if not os.environ.get("QT_QPA_PLATFORM") and not os.environ.get("WAYLAND_DISPLAY"):
        # Qt says of this plugin that it lacks libxcb-cursor0, whatever it lacks.
        plugins = QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)
        try:
            ctypes.CDLL(str(Path(plugins, "platforms", "libqxcb.so")))
        except OSError as error:
            _print(lacking=str(error))
    application = QGuiApplication(["servery"])
    screen = application.primaryScreen()
    size = screen.size()
    _print(platform=application.platformName(), width=size.width(), height=size.height())


def _print(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()

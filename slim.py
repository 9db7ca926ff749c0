"""Remove from an environment what nothing of Servery uses: `python slim.py SITE_PACKAGES`.

Packages are made for more than one program: for compiling against them, for testing them, for
other devices and other windows. That is a third of what they take on disk. Done a second time,
it changes nothing; pip installs all of it again with `--force-reinstall`.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import sys
from pathlib import Path

UNUSED = (
    # For programs in C++ that are compiled against them.
    "tensorflow/include",
    "tensorflow/xla_aot_runtime_src",
    "openvino/include",
    "openvino/cmake",
    "PySide6/Qt/metatypes",
    # A command of httpx's own, for which it would import two libraries whenever it is imported.
    "httpx/_main.py",
    # Builds programs of another compiler, and is imported by name alone.
    "tensorflow/compiler/mlir/stablehlo/stablehlo_extension.so",
    # Their own tests.
    "numpy/**/tests",
    "scipy/**/tests",
    "sklearn/**/tests",
    "onnx/backend/test/data",
    # OpenVINO for graphics cards and other devices: Servery asks it for the processor alone.
    "openvino/libs/*openvino_intel_gpu_plugin*",
    "openvino/libs/*openvino_intel_npu_plugin*",
    "openvino/libs/cache.json",
    # It reads SavedModels and ONNX files alone.
    *(f"openvino/libs/*openvino_{name}_frontend*" for name in ("gguf", "jax", "paddle", "pytorch")),
    "openvino/libs/*openvino_tensorflow_lite_frontend*",
    # Qt Quick, and the programs of Qt's developers: Servery's window is made of widgets.
    "PySide6/Qt/qml",
    # Of Qt's own texts, those in the languages of the window: desktop/translation.py.
    "PySide6/Qt/translations/[!q]*.qm",
    "PySide6/Qt/translations/qt_*.qm",
    "PySide6/Qt/translations/qt[!b_]*.qm",
    "PySide6/Qt/translations/qtbase_[!d]*.qm",
    "PySide6/Qt/translations/qtbase_d[!e]*.qm",
    "PySide6/Qt/lib/libQt6*Q[mu]*",
    "PySide6/Qt/lib/libQt6Labs*",
    "PySide6/Qt/lib/libQt6Lottie*",
    "PySide6/Qt/lib/libQt6Designer*",
    "PySide6/Qt/lib/libQt6Help*",
    "PySide6/Qt/lib/libQt6WaylandCompositor*",
    "PySide6/Qt/lib/libQt6WaylandEglCompositor*",
    "PySide6/Qt/plugins/designer",
    "PySide6/Qt/plugins/platforminputcontexts/*virtualkeyboard*",
    "PySide6/Qt/plugins/qml*",
    "PySide6/Qt/plugins/vectorimageformats",
    "PySide6/Qt/plugins/wayland-graphics-integration-server",
    "PySide6/QtDesigner.abi3.so",
    "PySide6/QtHelp.abi3.so",
    "PySide6/QtQ[mu]*.abi3.so",
    "PySide6/QtUiTools.abi3.so",
    *(f"PySide6/{name}" for name in ("assistant", "designer", "linguist", "lrelease", "lupdate")),
    *(f"PySide6/{name}" for name in ("qmlformat", "qmllint", "qmlls", "svgtoqml")),
)
"""Patterns of files and folders in `site-packages`."""
WITH_SYMBOLS = ("tensorflow/libtensorflow_*.so.2",)
"""Libraries with a table of names that only debuggers read."""

_LICENCE = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)


def slim(packages: Path) -> int:
    """Remove what `UNUSED` and `WITH_SYMBOLS` name; return the bytes that this saves."""
    saved = 0
    for pattern in UNUSED:
        saved += sum(remove(path) for path in sorted(packages.glob(pattern)))
    for pattern in WITH_SYMBOLS:
        saved += sum(drop_symbols(path) for path in packages.glob(pattern))
    return saved


def remove(path: Path) -> int:
    """Remove a file, or a folder but for the licences in it; return the bytes of what is gone."""
    if not path.is_dir() or path.is_symlink():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = 0
    for folder, _, names in os.walk(path, topdown=False):
        size += sum(remove(Path(folder, name)) for name in names if not _LICENCE.match(name))
        if not any(Path(folder).iterdir()):
            Path(folder).rmdir()
    return size


def drop_symbols(library: Path) -> int:
    """Cut off what a library has behind its last segment; return how many bytes.

    The segments are all that is loaded. What follows describes them to debuggers and linkers.
    A file in another format than ELF for 64 bits stays as it is.
    """
    with library.open("rb") as file:
        header = bytearray(file.read(64))
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return 0
        (first,) = struct.unpack_from("<Q", header, 32)
        entry_size, count = struct.unpack_from("<HH", header, 54)
        end = 0
        for number in range(count):
            file.seek(first + number * entry_size)
            offset, size = struct.unpack("<8xQ16xQ16x", file.read(56))
            end = max(end, offset + size)
        cut = library.stat().st_size - end
        if not end or cut <= 0:
            return 0
        struct.pack_into("<Q", header, 40, 0)  # where the sections are described,
        struct.pack_into("<HH", header, 60, 0, 0)  # how many there are, and which names them
        # Another name first: the file may be in use, or shared with the cache of an installer.
        aside = library.with_name(f".{library.name}.part")
        with aside.open("wb") as copy:
            copy.write(header)
            file.seek(len(header))
            for start in range(len(header), end, 2**24):
                copy.write(file.read(min(2**24, end - start)))
    shutil.copymode(library, aside)
    aside.replace(library)
    return cut


if __name__ == "__main__":
    print(f"Removed {slim(Path(sys.argv[1])) / 1e6:.0f} MB that nothing here uses.")
